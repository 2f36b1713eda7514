BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0007');
CREATE TABLE buckets (
	tenant VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	policy TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
)
 WITHOUT ROWID

;
INSERT INTO "buckets" VALUES('demo','photos','{"public":false,"max_file_bytes":4096,"allowed_types":["image/*"],"allowed_extensions":["png"],"expire_after_seconds":null,"cors_origins":["https://app.example"]}',1795902203483);
CREATE TABLE cors_origins (
	bucket VARCHAR NOT NULL, 
	origin VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	PRIMARY KEY (bucket, origin, tenant)
)
 WITHOUT ROWID

;
INSERT INTO "cors_origins" VALUES('photos','https://app.example','demo');
CREATE TABLE doomed (
	blob VARCHAR NOT NULL, 
	tenant TEXT NOT NULL, 
	doomed_at BIGINT NOT NULL, 
	PRIMARY KEY (blob)
);
INSERT INTO "doomed" VALUES('01a2241ce6627c3892f888a83aad562c','demo',1795902203495);
INSERT INTO "doomed" VALUES('01a2241ce6697985ac985e7d09737c69','demo',1795902203499);
CREATE TABLE events (
	seq INTEGER NOT NULL, 
	tenant VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	data TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "events" VALUES(1,'demo','file.created',1795902203490,'{"id":"01a2241ce6627c3892f888a83aad562c","tenant":"demo","bucket":"default","key":"notes/first.txt","blob":"01a2241ce6627c3892f888a83aad562c","size":16,"sha256":"4344f4fec8017cb2f0ae24744aa196d43d3a85d0c0c2c8201d1c7cda5924c6d9","media_type":"text/plain","declared_type":null,"filename":"first.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203490,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(2,'demo','file.replaced',1795902203495,'{"id":"01a2241ce6677979a766bd780574327b","tenant":"demo","bucket":"default","key":"notes/first.txt","blob":"01a2241ce6677979a766bd780574327b","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"first.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203495,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(3,'demo','file.created',1795902203497,'{"id":"01a2241ce6697985ac985e7d09737c69","tenant":"demo","bucket":"default","key":"gone.txt","blob":"01a2241ce6697985ac985e7d09737c69","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"gone.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203497,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(4,'demo','file.deleted',1795902203499,'{"id":"01a2241ce6697985ac985e7d09737c69","tenant":"demo","bucket":"default","key":"gone.txt","blob":"01a2241ce6697985ac985e7d09737c69","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"gone.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203497,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(5,'demo','file.created',1795902203502,'{"id":"01a2241ce66e7a5ca8dfab49cd34a910","tenant":"demo","bucket":"photos","key":"设计.png","blob":"01a2241ce66e7a5ca8dfab49cd34a910","size":208,"sha256":"04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6","media_type":"image/png","declared_type":null,"filename":"设计.png","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203502,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(6,'demo','file.changed',1795902203505,'{"id":"01a2241ce66e7a5ca8dfab49cd34a910","tenant":"demo","bucket":"photos","key":"设计.png","blob":"01a2241ce66e7a5ca8dfab49cd34a910","size":208,"sha256":"04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6","media_type":"image/png","declared_type":null,"filename":"design.png","owner":"wharf-demo","state":"available","metadata":{"camera":"X100"},"created_at":1795902203502,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(7,'demo','file.created',1795902203507,'{"id":"01a2241ce6737b6b91debccaca1c54d5","tenant":"demo","bucket":"default","key":"once.txt","blob":"01a2241ce6737b6b91debccaca1c54d5","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"once.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203507,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(8,'demo','file.created',1795902203510,'{"id":"01a2241ce6767f5b9980c074e6f6fb82","tenant":"demo","bucket":"default","key":"form.txt","blob":"01a2241ce6767f5b9980c074e6f6fb82","size":10,"sha256":"31019989475a241c9ba95a0a29e6f06920acaa0241b08dd8aa311ecfcf9e2103","media_type":"text/plain","declared_type":"application/octet-stream","filename":"form.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203510,"expires_at":null,"active":false}');
INSERT INTO "events" VALUES(9,'demo','file.created',1795902203530,'{"id":"01a2241ce68a700c9867cfc0892b129c","tenant":"demo","bucket":"default","key":"in/by-ticket.txt","blob":"01a2241ce68a700c9867cfc0892b129c","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"by-ticket.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203530,"expires_at":null,"active":false}');
CREATE TABLE files (
	tenant VARCHAR NOT NULL, 
	bucket VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	blob VARCHAR NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 TEXT NOT NULL, 
	media_type TEXT NOT NULL, 
	declared_type TEXT, 
	filename TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	state TEXT NOT NULL, 
	metadata TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT, active SMALLINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (tenant, bucket, "key")
)
 WITHOUT ROWID

;
INSERT INTO "files" VALUES('demo','default','form.txt','01a2241ce6767f5b9980c074e6f6fb82','01a2241ce6767f5b9980c074e6f6fb82',10,'31019989475a241c9ba95a0a29e6f06920acaa0241b08dd8aa311ecfcf9e2103','text/plain','application/octet-stream','form.txt','wharf-demo','available','{}',1795902203510,NULL,0);
INSERT INTO "files" VALUES('demo','default','in/by-ticket.txt','01a2241ce68a700c9867cfc0892b129c','01a2241ce68a700c9867cfc0892b129c',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'by-ticket.txt','wharf-demo','available','{}',1795902203530,NULL,0);
INSERT INTO "files" VALUES('demo','default','notes/first.txt','01a2241ce6677979a766bd780574327b','01a2241ce6677979a766bd780574327b',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'first.txt','wharf-demo','available','{}',1795902203495,NULL,0);
INSERT INTO "files" VALUES('demo','default','once.txt','01a2241ce6737b6b91debccaca1c54d5','01a2241ce6737b6b91debccaca1c54d5',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'once.txt','wharf-demo','available','{}',1795902203507,NULL,0);
INSERT INTO "files" VALUES('demo','photos','设计.png','01a2241ce66e7a5ca8dfab49cd34a910','01a2241ce66e7a5ca8dfab49cd34a910',208,'04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6','image/png',NULL,'design.png','wharf-demo','available','{"camera":"X100"}',1795902203502,NULL,0);
CREATE TABLE idempotency (
	tenant VARCHAR NOT NULL, 
	subject TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	stored TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, subject, "key")
);
INSERT INTO "idempotency" VALUES('demo','wharf-demo','the-same-request','79532ca4c9b4c26e6af2b17b1e1456788623fba218a8871c0c484d1f8cf511b7','{"files":[{"id":"01a2241ce6737b6b91debccaca1c54d5","tenant":"demo","bucket":"default","key":"once.txt","blob":"01a2241ce6737b6b91debccaca1c54d5","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"once.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1795902203507,"expires_at":null,"active":false}],"created":[true],"replayed":false}',1795902203507);
CREATE TABLE leases (
	name VARCHAR NOT NULL, 
	holder VARCHAR NOT NULL, 
	previous VARCHAR NOT NULL, 
	turn BIGINT NOT NULL, 
	held INTEGER NOT NULL, 
	wanted INTEGER NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE limits (
	tenant VARCHAR NOT NULL, 
	max_bytes BIGINT, 
	max_files BIGINT, 
	max_file_bytes BIGINT, 
	requests_per_minute BIGINT, 
	client_requests_per_minute BIGINT, 
	bytes_per_minute BIGINT, 
	concurrent_uploads BIGINT, 
	PRIMARY KEY (tenant)
)
 WITHOUT ROWID

;
INSERT INTO "limits" VALUES('demo',1073741824,100,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE link_keys (
	tenant VARCHAR NOT NULL, 
	secret TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant)
);
INSERT INTO "link_keys" VALUES('demo','a861b606c0feb0bd7fdfa36ebf7106765ea7dc1567670242681dbac10b5eaa08',1795902203512);
CREATE TABLE ticket_uses (
	tenant VARCHAR NOT NULL, 
	ticket VARCHAR NOT NULL, 
	uses BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, ticket)
)
 WITHOUT ROWID

;
INSERT INTO "ticket_uses" VALUES('demo','01a2241ce6887449bf84813383927187',1,1795903103000);
CREATE TABLE upload_parts (
	tenant VARCHAR NOT NULL, 
	final VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	part VARCHAR NOT NULL, 
	PRIMARY KEY (tenant, final, position)
);
CREATE TABLE uploads (
	id VARCHAR NOT NULL, 
	tenant VARCHAR NOT NULL, 
	subject TEXT NOT NULL, 
	bucket VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	length BIGINT, 
	concat TEXT NOT NULL, 
	options TEXT NOT NULL, 
	discard_from BIGINT, 
	reserved_bytes BIGINT NOT NULL, 
	file TEXT, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "uploads" VALUES('01a2241ce680712583b83edc8e1f1290','demo','wharf-demo','default','unfinished.bin',8192,'','{"on_conflict":"rename","echo":"filename dW5maW5pc2hlZC5iaW4="}',NULL,8192,NULL,1795902203520,1795988603520);
CREATE TABLE usage (
	tenant VARCHAR NOT NULL, 
	bytes BIGINT NOT NULL, 
	files BIGINT NOT NULL, 
	PRIMARY KEY (tenant)
)
 WITHOUT ROWID

;
INSERT INTO "usage" VALUES('demo',8449,6);
CREATE UNIQUE INDEX files_blob ON files (blob);
CREATE INDEX files_expires_at ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX doomed_at ON doomed (doomed_at);
CREATE INDEX events_tenant ON events (tenant, seq);
CREATE INDEX idempotency_created_at ON idempotency (created_at);
CREATE INDEX files_tenant_expires_at ON files (tenant, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX ticket_uses_expires_at ON ticket_uses (expires_at);
CREATE INDEX cors_origins_tenant ON cors_origins (tenant, bucket);
CREATE INDEX uploads_expires_at ON uploads (expires_at);
CREATE INDEX uploads_tenant ON uploads (tenant);
CREATE INDEX upload_parts_part ON upload_parts (tenant, part);
CREATE INDEX cors_origins_origin ON cors_origins (origin, tenant);
CREATE INDEX leases_holder ON leases (holder, held);
CREATE INDEX leases_expires_at ON leases (expires_at);
COMMIT;
