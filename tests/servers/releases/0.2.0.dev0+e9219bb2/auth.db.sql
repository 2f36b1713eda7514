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
INSERT INTO "audit" VALUES(1,1796028257396,'cli','','','','tenants.create','wharf-admin','wharf-admin','done');
INSERT INTO "audit" VALUES(2,1796028257396,'cli','','','','clients.create','wharf-admin','wharf-admin','done');
INSERT INTO "audit" VALUES(3,1796028257480,'cli','','','','tenants.create','demo','demo','done');
INSERT INTO "audit" VALUES(4,1796028257480,'cli','','','','clients.create','demo','wharf-demo','done');
INSERT INTO "audit" VALUES(5,1796028262019,'wharf-admin','wharf-admin','127.0.0.1','d1fa8244e3071a3c86260bc3869b3728','users.create','demo','01a22ba06683700b9e66a5f596661ad2','done');
INSERT INTO "audit" VALUES(6,1796028262244,'wharf-admin','wharf-admin','127.0.0.1','e64e156960e5f6c5ed9d9b73062917e2','tenants.create','acme','acme','done');
INSERT INTO "audit" VALUES(7,1796028262248,'wharf-admin','wharf-admin','127.0.0.1','165ceb631c4a27aa5c4236ae5b729b04','tenants.suspend','acme','acme','done');
INSERT INTO "audit" VALUES(8,1796028262376,'wharf-demo','demo','127.0.0.1','85f1927628de6bf5ecc0d44e123fddb5','tokens.revoke','demo','01a22ba0678d7345883814fde92ba615','done');
INSERT INTO "audit" VALUES(9,1796028265409,'wharf-admin','wharf-admin','127.0.0.1','55c62258ba3aa7df7b6a7f0f70d021ca','users.create','demo','01a22ba073c172228d9e6faf01bbdab4','done');
INSERT INTO "audit" VALUES(10,1796028265441,'wharf-admin','wharf-admin','127.0.0.1','0024ea4ebbeffb222985fe4307adf60a','users.set-grants','demo','01a22ba073c172228d9e6faf01bbdab4','done');
INSERT INTO "audit" VALUES(11,1796028265451,'wharf-admin','wharf-admin','127.0.0.1','525edd66a339e8f4b9a350d01911a15c','groups.create','demo','01a22ba073eb7f41bfe9f90ed2eea36a','done');
INSERT INTO "audit" VALUES(12,1796028265469,'wharf-admin','wharf-admin','127.0.0.1','de03fa93a166191150b3a6da454b9738','groups.add-member','demo','01a22ba073eb7f41bfe9f90ed2eea36a/01a22ba073c172228d9e6faf01bbdab4','done');
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
INSERT INTO "client_secrets" VALUES('01a22ba0547479968e18e068cf30c6c4','wharf-admin','ghij','$argon2id$v=19$m=7168,t=5,p=1$/4N6MIzG+pB0auMKVEchvA$c3RfsEg+/BG0bwzcl0e6wFGdG58HagMoOK58Yu+0vC0',1796028257396,NULL);
INSERT INTO "client_secrets" VALUES('01a22ba054c87176bcb63ef57ea98ef5','wharf-demo','hijk','$argon2id$v=19$m=7168,t=5,p=1$OonR7IRUH2L0aVajGjrr1Q$5Ggqfso8kWckJE3Uh8qGVkx13agVfrsnMYWxosRUBoA',1796028257480,NULL);
CREATE TABLE clients (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	disabled_at BIGINT, grants TEXT, reach_version BIGINT DEFAULT '0' NOT NULL, grant_bytes BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "clients" VALUES('wharf-admin','wharf-admin','Wharf administration','files:read files:write files:delete buckets:admin tenants:admin',1796028257396,NULL,NULL,0,0);
INSERT INTO "clients" VALUES('wharf-demo','demo','Demo','files:read files:write files:delete buckets:admin',1796028257480,NULL,NULL,0,0);
CREATE TABLE group_members (
	member_group VARCHAR(64) NOT NULL, 
	subject VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	PRIMARY KEY (member_group, subject), 
	FOREIGN KEY(member_group) REFERENCES member_groups (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "group_members" VALUES('01a22ba073eb7f41bfe9f90ed2eea36a','01a22ba073c172228d9e6faf01bbdab4','demo','user');
CREATE TABLE latest (
	feed BIGINT NOT NULL, 
	audit BIGINT NOT NULL
, pruning INTEGER DEFAULT '0' NOT NULL);
INSERT INTO "latest" VALUES(6,12,0);
CREATE TABLE member_groups (
	id VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	name TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	grants TEXT, 
	version BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, grant_bytes BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "member_groups" VALUES('01a22ba073eb7f41bfe9f90ed2eea36a','demo','Guests','guests','','[["photos","shown/","rl"]]',1796028265451,1796028265451,26);
CREATE TABLE refresh_tokens (
	hash VARCHAR(64) NOT NULL, 
	session VARCHAR(64) NOT NULL, 
	created_at BIGINT NOT NULL, 
	used_at BIGINT, 
	PRIMARY KEY (hash), 
	FOREIGN KEY(session) REFERENCES sessions (id)
);
INSERT INTO "refresh_tokens" VALUES('045bbf3740e72e6b97d2105b623d628ccca8c610cceb2958f266911a5b095c47','01a22ba0670670dc9e7120ca83fb86f3',1796028262150,NULL);
INSERT INTO "refresh_tokens" VALUES('d834905427a845bc885288faa1fa2116c38849c3f9acf40ef5e3f5d71087009c','01a22ba07418719e9806e8213c42e228',1796028265496,NULL);
CREATE TABLE revocations (
	seq BIGINT NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	tenant VARCHAR(64) NOT NULL, 
	id VARCHAR(64) NOT NULL, 
	state VARCHAR(64) NOT NULL, 
	until BIGINT, 
	at BIGINT NOT NULL, reach TEXT, 
	PRIMARY KEY (seq), 
	CONSTRAINT revocations_by_thing UNIQUE (tenant, kind, id)
);
INSERT INTO "revocations" VALUES(1,'tenant','acme','','suspended',NULL,1796028262248,NULL);
INSERT INTO "revocations" VALUES(2,'token','demo','01a22ba0678d7345883814fde92ba615','revoked',1796114723,1796028262376,NULL);
INSERT INTO "revocations" VALUES(3,'session','demo','01a22ba0678d7345883814fde92ba615','revoked',1796114723,1796028262376,NULL);
INSERT INTO "revocations" VALUES(5,'group','demo','01a22ba073eb7f41bfe9f90ed2eea36a','changed',NULL,1796028265451,'{"version":1796028265451,"grants":[["photos","shown/","rl"]]}');
INSERT INTO "revocations" VALUES(6,'reach','demo','01a22ba073c172228d9e6faf01bbdab4','changed',3377148326,1796028265469,'{"version":1796028265469,"scopes":"files:read","username":"grace","groups":["01a22ba073eb7f41bfe9f90ed2eea36a"]}');
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
INSERT INTO "sessions" VALUES('01a22ba0670670dc9e7120ca83fb86f3','01a22ba06683700b9e66a5f596661ad2','demo',1796028262150,1796028262150,1798620262150,NULL,'127.0.0.1','');
INSERT INTO "sessions" VALUES('01a22ba07418719e9806e8213c42e228','01a22ba073c172228d9e6faf01bbdab4','demo',1796028265496,1796028265496,1798620265496,NULL,'127.0.0.1','');
CREATE TABLE tenants (
	name VARCHAR(64) NOT NULL, 
	display_name TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	suspended_at BIGINT, deleted_at BIGINT, purge_at BIGINT, purged_at BIGINT, 
	PRIMARY KEY (name)
);
INSERT INTO "tenants" VALUES('wharf-admin','Wharf administration',1796028257396,NULL,NULL,NULL,NULL);
INSERT INTO "tenants" VALUES('demo','Demo',1796028257480,NULL,NULL,NULL,NULL);
INSERT INTO "tenants" VALUES('acme','acme',1796028262244,1796028262248,NULL,NULL,NULL);
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
	disabled_at BIGINT, grants TEXT, reach_version BIGINT DEFAULT '0' NOT NULL, grant_bytes BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(tenant) REFERENCES tenants (name)
);
INSERT INTO "users" VALUES('01a22ba06683700b9e66a5f596661ad2','demo','ada','ada','ada','owner','$argon2id$v=19$m=7168,t=5,p=1$Fw6c6Wuu3Vyzl4OEHDArtQ$lll3l8S9pFt58jPpCei3IJfnkPJ/7Mdap3fxkcNc7jg',1796028262019,1796028262019,NULL,NULL,1796028262019,0);
INSERT INTO "users" VALUES('01a22ba073c172228d9e6faf01bbdab4','demo','grace','grace','grace','viewer','$argon2id$v=19$m=7168,t=5,p=1$h2GVeSfWLzARg7B37EpWjQ$GgGXX2rtw0yIZNmPFKTVF08HHpJmcgPlIJgLu8GJte4',1796028265409,1796028265409,NULL,'[]',1796028265469,2);
CREATE TABLE wharf_auth_revision (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT wharf_auth_revision_pkc PRIMARY KEY (version_num)
);
INSERT INTO "wharf_auth_revision" VALUES('0005');
CREATE INDEX clients_by_tenant ON clients (tenant, id);
CREATE INDEX client_secrets_by_client ON client_secrets (client);
CREATE INDEX tenants_by_purge ON tenants (purge_at);
CREATE INDEX revocations_by_until ON revocations (until);
CREATE INDEX audit_by_tenant ON audit (tenant, seq);
CREATE TRIGGER audit_keeps_UPDATE BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE UNIQUE INDEX users_by_name ON users (tenant, folded);
CREATE INDEX users_by_tenant ON users (tenant, id);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session);
CREATE UNIQUE INDEX member_groups_by_name ON member_groups (tenant, folded);
CREATE INDEX member_groups_by_tenant ON member_groups (tenant, id);
CREATE INDEX group_members_by_subject ON group_members (subject);
CREATE INDEX users_by_grant_bytes ON users (tenant, grant_bytes) WHERE grant_bytes > 0;
CREATE INDEX clients_by_grant_bytes ON clients (tenant, grant_bytes) WHERE grant_bytes > 0;
CREATE INDEX member_groups_by_grant_bytes ON member_groups (tenant, grant_bytes) WHERE grant_bytes > 0;
CREATE TRIGGER audit_keeps_DELETE BEFORE DELETE ON audit WHEN (SELECT pruning FROM latest) = 0
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
COMMIT;
