BEGIN TRANSACTION;
CREATE TABLE audit (
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(64) NOT NULL, 
	actor_tenant VARCHAR(64) NOT NULL, 
	address TEXT NOT NULL, 
	request_id TEXT NOT NULL, 
	act TEXT NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	object TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "audit" VALUES(1,1795902201643,'cli','','','','tenants.create','wharf-admin','wharf-admin','done');
INSERT INTO "audit" VALUES(2,1795902201643,'cli','','','','clients.create','wharf-admin','wharf-admin','done');
INSERT INTO "audit" VALUES(3,1795902201662,'cli','','','','tenants.create','demo','demo','done');
INSERT INTO "audit" VALUES(4,1795902201662,'cli','','','','clients.create','demo','wharf-demo','done');
INSERT INTO "audit" VALUES(5,1795902203426,'wharf-admin','wharf-admin','127.0.0.1','19e38bd746b1f3f70b0e344a75e10c40','users.create','demo','01a2241ce6227a609dfdb43cda58f462','done');
INSERT INTO "audit" VALUES(6,1795902203533,'wharf-admin','wharf-admin','127.0.0.1','f70d9f5424907bc9542e513f302980b3','tenants.create','acme','acme','done');
INSERT INTO "audit" VALUES(7,1795902203535,'wharf-admin','wharf-admin','127.0.0.1','d28197cadf860bcec17034b486f99f7c','tenants.suspend','acme','acme','done');
INSERT INTO "audit" VALUES(8,1795902203584,'wharf-demo','demo','127.0.0.1','47ba378762e5b74f0d0bf12cd35de750','tokens.revoke','demo','01a2241ce6a5775ab8087ee3e83701e8','done');
CREATE TABLE client_secrets (
	id VARCHAR(64) NOT NULL, 
	client VARCHAR(64) NOT NULL, 
	hint TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	retired_at BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(client) REFERENCES clients (id)
);
INSERT INTO "client_secrets" VALUES('01a2241cdf2b7bcfabd74249a1ad8e8f','wharf-admin','ghij','$argon2id$v=19$m=7168,t=5,p=1$KhywUQXN4rGun7E9NmBL2A$abbGFtYzdj88IwKHWS3X7754WNkwHS2jDLYN+xTJu7s',1795902201643,NULL);
INSERT INTO "client_secrets" VALUES('01a2241cdf3e7e32b4aff4413ebec7ca','wharf-demo','hijk','$argon2id$v=19$m=7168,t=5,p=1$yVuNUROtL6Ibf7xH5uTveQ$MrM0R/pciULNHuSxbFzSi22HXsC7cuBOHPsTFqjL1iI',1795902201662,NULL);
CREATE TABLE clients (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	disabled_at BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "clients" VALUES('wharf-admin','wharf-admin','Wharf administration','files:read files:write files:delete buckets:admin tenants:admin',1795902201643,NULL);
INSERT INTO "clients" VALUES('wharf-demo','demo','Demo','files:read files:write files:delete buckets:admin',1795902201662,NULL);
CREATE TABLE latest (
	feed BIGINT NOT NULL, 
	audit BIGINT NOT NULL
);
INSERT INTO "latest" VALUES(3,8);
CREATE TABLE refresh_tokens (
	hash VARCHAR(64) NOT NULL, 
	session VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	used_at BIGINT, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(session) REFERENCES sessions (id)
);
INSERT INTO "refresh_tokens" VALUES('b7799aa3138f75115b87d1c5745b0760ffe90601280b0a8c74f502ff659f397f','01a2241ce64d725ababe93606af03190',1795902203469,NULL);
CREATE TABLE revocations (
	seq BIGINT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	until BIGINT, 
	at BIGINT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT revocations_by_thing UNIQUE (tenant, kind, id)
);
INSERT INTO "revocations" VALUES(1,'tenant','acme','','suspended',NULL,1795902203535);
INSERT INTO "revocations" VALUES(2,'token','demo','01a2241ce6a5775ab8087ee3e83701e8','revoked',1795988664,1795902203584);
INSERT INTO "revocations" VALUES(3,'session','demo','01a2241ce6a5775ab8087ee3e83701e8','revoked',1795988664,1795902203584);
CREATE TABLE sessions (
	id VARCHAR(64) NOT NULL, 
	user_id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	used_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	address TEXT NOT NULL, 
	user_agent TEXT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(user_id) REFERENCES users (id)
);
INSERT INTO "sessions" VALUES('01a2241ce64d725ababe93606af03190','01a2241ce6227a609dfdb43cda58f462','demo',1795902203469,1795902203469,1798494203469,NULL,'127.0.0.1','');
CREATE TABLE tenants (
	name VARCHAR(64) NOT NULL, 
	display_name TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	suspended_at BIGINT, deleted_at BIGINT, purge_at BIGINT, purged_at BIGINT, 
	PRIMARY KEY (name)
);
INSERT INTO "tenants" VALUES('wharf-admin','Wharf administration',1795902201643,NULL,NULL,NULL,NULL);
INSERT INTO "tenants" VALUES('demo','Demo',1795902201662,NULL,NULL,NULL,NULL);
INSERT INTO "tenants" VALUES('acme','acme',1795902203533,1795902203535,NULL,NULL,NULL);
CREATE TABLE users (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	username TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	display_name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	password_hash TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	password_changed_at BIGINT NOT NULL, 
	disabled_at BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "users" VALUES('01a2241ce6227a609dfdb43cda58f462','demo','ada','ada','ada','owner','$argon2id$v=19$m=7168,t=5,p=1$T0pZ5JFBuyGntjcDirYjyw$q4W8Q8y02yrIKxmg048XDX9UA/zflOFrwrgXX0KvTOs',1795902203426,1795902203426,NULL);
CREATE TABLE wharf_auth_revision (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT wharf_auth_revision_pkc PRIMARY KEY (version_num)
);
INSERT INTO "wharf_auth_revision" VALUES('0003');
CREATE INDEX clients_by_tenant ON clients (tenant, id);
CREATE INDEX client_secrets_by_client ON client_secrets (client);
CREATE INDEX tenants_by_purge ON tenants (purge_at);
CREATE INDEX revocations_by_until ON revocations (until);
CREATE INDEX audit_by_tenant ON audit (tenant, seq);
CREATE TRIGGER audit_keeps_UPDATE BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_keeps_DELETE BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE UNIQUE INDEX users_by_name ON users (tenant, folded);
CREATE INDEX users_by_tenant ON users (tenant, id);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
COMMIT;
