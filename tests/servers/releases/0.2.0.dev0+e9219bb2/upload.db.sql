BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0012');
CREATE TABLE buckets (
	tenant VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	policy TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, name)
)
 WITHOUT ROWID

;
INSERT INTO "buckets" VALUES('demo','photos','{"public":false,"max_file_bytes":4096,"allowed_types":["image/*"],"allowed_extensions":["png"],"expire_after_seconds":null,"cors_origins":["https://app.example"]}',1796028262168);
CREATE TABLE collection_pauses (
	holder VARCHAR NOT NULL, 
	touched_at BIGINT NOT NULL, 
	PRIMARY KEY (holder)
);
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
INSERT INTO "doomed" VALUES('01a22ba0671e7ed09d5cdb9eddef3012','demo',1796028262185);
INSERT INTO "doomed" VALUES('01a22ba067397883b47fa137547898eb','demo',1796028262203);
CREATE TABLE events (
	seq INTEGER NOT NULL, 
	tenant VARCHAR NOT NULL, 
	kind TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	data TEXT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "events" VALUES(1,'demo','file.created',1796028262174,'{"id":"01a22ba0671e7ed09d5cdb9eddef3012","tenant":"demo","bucket":"default","key":"notes/first.txt","blob":"01a22ba0671e7ed09d5cdb9eddef3012","size":16,"sha256":"4344f4fec8017cb2f0ae24744aa196d43d3a85d0c0c2c8201d1c7cda5924c6d9","media_type":"text/plain","declared_type":null,"filename":"first.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262174,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(2,'demo','file.replaced',1796028262185,'{"id":"01a22ba0672972d8a3c6e1a989580b5b","tenant":"demo","bucket":"default","key":"notes/first.txt","blob":"01a22ba0672972d8a3c6e1a989580b5b","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"first.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262185,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(3,'demo','file.created',1796028262201,'{"id":"01a22ba067397883b47fa137547898eb","tenant":"demo","bucket":"default","key":"gone.txt","blob":"01a22ba067397883b47fa137547898eb","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"gone.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262201,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(4,'demo','file.deleted',1796028262203,'{"id":"01a22ba067397883b47fa137547898eb","tenant":"demo","bucket":"default","key":"gone.txt","blob":"01a22ba067397883b47fa137547898eb","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"gone.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262201,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(5,'demo','file.created',1796028262205,'{"id":"01a22ba0673d74139cd372aed1d9b951","tenant":"demo","bucket":"photos","key":"设计.png","blob":"01a22ba0673d74139cd372aed1d9b951","size":208,"sha256":"04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6","media_type":"image/png","declared_type":null,"filename":"设计.png","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262205,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(6,'demo','file.changed',1796028262209,'{"id":"01a22ba0673d74139cd372aed1d9b951","tenant":"demo","bucket":"photos","key":"设计.png","blob":"01a22ba0673d74139cd372aed1d9b951","size":208,"sha256":"04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6","media_type":"image/png","declared_type":null,"filename":"design.png","owner":"wharf-demo","state":"available","metadata":{"camera":"X100"},"created_at":1796028262205,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(7,'demo','file.created',1796028262210,'{"id":"01a22ba06742725eb8904adede610e9f","tenant":"demo","bucket":"default","key":"once.txt","blob":"01a22ba06742725eb8904adede610e9f","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"once.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262210,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(8,'demo','file.created',1796028262213,'{"id":"01a22ba067457279888d4a99149d0c37","tenant":"demo","bucket":"default","key":"form.txt","blob":"01a22ba067457279888d4a99149d0c37","size":10,"sha256":"31019989475a241c9ba95a0a29e6f06920acaa0241b08dd8aa311ecfcf9e2103","media_type":"text/plain","declared_type":"application/octet-stream","filename":"form.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262213,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(9,'demo','file.created',1796028262239,'{"id":"01a22ba0675f7d15bff58fe728e5cbc4","tenant":"demo","bucket":"default","key":"in/by-ticket.txt","blob":"01a22ba0675f7d15bff58fe728e5cbc4","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"by-ticket.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262239,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(10,'demo','file.created',1796028265393,'{"id":"01a22ba073b172d5a2b013fcc6b62b3c","tenant":"demo","bucket":"photos","key":"shown/first.png","blob":"01a22ba073b172d5a2b013fcc6b62b3c","size":208,"sha256":"04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6","media_type":"image/png","declared_type":null,"filename":"first.png","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028265393,"expires_at":null,"active":false,"utf8":true}');
INSERT INTO "events" VALUES(11,'demo','file.created',1796028265395,'{"id":"01a22ba073b37437b12468cf2dd7a761","tenant":"demo","bucket":"default","key":"for-a-moment.txt","blob":"01a22ba073b37437b12468cf2dd7a761","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"for-a-moment.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028265395,"expires_at":null,"active":false,"utf8":true}');
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
INSERT INTO "files" VALUES('demo','default','for-a-moment.txt','01a22ba073b37437b12468cf2dd7a761','01a22ba073b37437b12468cf2dd7a761',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'for-a-moment.txt','wharf-demo','available','{}',1796028265395,NULL,0);
INSERT INTO "files" VALUES('demo','default','form.txt','01a22ba067457279888d4a99149d0c37','01a22ba067457279888d4a99149d0c37',10,'31019989475a241c9ba95a0a29e6f06920acaa0241b08dd8aa311ecfcf9e2103','text/plain','application/octet-stream','form.txt','wharf-demo','available','{}',1796028262213,NULL,0);
INSERT INTO "files" VALUES('demo','default','in/by-ticket.txt','01a22ba0675f7d15bff58fe728e5cbc4','01a22ba0675f7d15bff58fe728e5cbc4',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'by-ticket.txt','wharf-demo','available','{}',1796028262239,NULL,0);
INSERT INTO "files" VALUES('demo','default','notes/first.txt','01a22ba0672972d8a3c6e1a989580b5b','01a22ba0672972d8a3c6e1a989580b5b',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'first.txt','wharf-demo','available','{}',1796028262185,NULL,0);
INSERT INTO "files" VALUES('demo','default','once.txt','01a22ba06742725eb8904adede610e9f','01a22ba06742725eb8904adede610e9f',13,'283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5','text/plain',NULL,'once.txt','wharf-demo','available','{}',1796028262210,NULL,0);
INSERT INTO "files" VALUES('demo','photos','shown/first.png','01a22ba073b172d5a2b013fcc6b62b3c','01a22ba073b172d5a2b013fcc6b62b3c',208,'04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6','image/png',NULL,'first.png','wharf-demo','available','{}',1796028265393,NULL,0);
INSERT INTO "files" VALUES('demo','photos','设计.png','01a22ba0673d74139cd372aed1d9b951','01a22ba0673d74139cd372aed1d9b951',208,'04523bfdcb1918b37b179fd3010ceabb90aabfc602ae3c867e68e5b863c93ea6','image/png',NULL,'design.png','wharf-demo','available','{"camera":"X100"}',1796028262205,NULL,0);
CREATE TABLE idempotency (
	tenant VARCHAR NOT NULL, 
	subject TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	fingerprint TEXT NOT NULL, 
	stored TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, subject, "key")
);
INSERT INTO "idempotency" VALUES('demo','wharf-demo','the-same-request','79532ca4c9b4c26e6af2b17b1e1456788623fba218a8871c0c484d1f8cf511b7','{"files":[{"id":"01a22ba06742725eb8904adede610e9f","tenant":"demo","bucket":"default","key":"once.txt","blob":"01a22ba06742725eb8904adede610e9f","size":13,"sha256":"283de18a92b91eca91b96146822214f63c5a6a08238ab8acf97896a6036b5ab5","media_type":"text/plain","declared_type":null,"filename":"once.txt","owner":"wharf-demo","state":"available","metadata":{},"created_at":1796028262210,"expires_at":null,"active":false,"utf8":true}],"created":[true],"replayed":false}',1796028262210);
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
INSERT INTO "link_keys" VALUES('demo','9921a74160e60f86991f7519f3ac4bebffbd7ee1f0532aaa04ae2a8a12b69fcb',1796028262216);
CREATE TABLE swept_hours (
	place VARCHAR NOT NULL, 
	until BIGINT NOT NULL, 
	PRIMARY KEY (place)
);
CREATE TABLE ticket_uses (
	tenant VARCHAR NOT NULL, 
	ticket VARCHAR NOT NULL, 
	uses BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	PRIMARY KEY (tenant, ticket)
)
 WITHOUT ROWID

;
INSERT INTO "ticket_uses" VALUES('demo','01a22ba0675c7d619a1b6caf13b84b84',1,1796029162000);
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
	expires_at BIGINT NOT NULL, replica VARCHAR DEFAULT '' NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "uploads" VALUES('01a22ba0674f7863b5d194c08f94434b','demo','wharf-demo','default','unfinished.bin',8192,'','{"on_conflict":"rename","echo":"filename dW5maW5pc2hlZC5iaW4=","protocol":"tus"}',NULL,8192,NULL,1796028262224,1796114662224,'');
CREATE TABLE usage (
	tenant VARCHAR NOT NULL, 
	bytes BIGINT NOT NULL, 
	files BIGINT NOT NULL, events_dropped BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (tenant)
)
 WITHOUT ROWID

;
INSERT INTO "usage" VALUES('demo',8670,8,0);
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
CREATE INDEX uploads_under_way ON uploads (tenant, id) WHERE file IS NULL;
CREATE INDEX uploads_under_way_of ON uploads (tenant, subject, id) WHERE file IS NULL;
CREATE INDEX uploads_ended ON uploads (tenant, expires_at) WHERE file IS NOT NULL;
CREATE INDEX idempotency_tenant ON idempotency (tenant, created_at);
COMMIT;
