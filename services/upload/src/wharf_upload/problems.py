"""The problems that only the upload service has; `docs/problems.md` is made from them."""

from __future__ import annotations

from servicekit.problems import Catalogue

UPLOAD = Catalogue()

INVALID_KEY = UPLOAD.declare(
    "invalid-key",
    400,
    "The key or name is not allowed",
    "A key is 1 to 1024 bytes of UTF-8 without control or bidirectional characters. It "
    "may contain zero-width characters only where a word or an emoji needs them. No "
    "segment between slashes is empty, `.` or `..`, or longer than 255 bytes. `name` is "
    "the refused name, `character` the wrong character and `position` its place.",
)
EVENT_CURSOR_EXPIRED = UPLOAD.declare(
    "event-cursor-expired",
    410,
    "The number of the event is no longer read",
    "Earlier releases gave numbers to events. The service accepts these numbers only for "
    "a limited time after the update. Start again: read the lists of files, and request "
    "events without `after` or `before`. The response contains a cursor, which stays "
    "valid.",
)
INVALID_DIGEST = UPLOAD.declare(
    "invalid-digest",
    400,
    "The digest field cannot be read",
    "The form of `Content-Digest` and `Repr-Digest` is `sha-256=:base64:` (RFC 9530).",
)
DIGEST_MISMATCH = UPLOAD.declare(
    "digest-mismatch",
    400,
    "The bytes do not have the digest that was sent",
    "The service stored nothing. The body was damaged on its way, or the digest belongs "
    "to other bytes.",
)
MALFORMED_FORM = UPLOAD.declare(
    "malformed-form",
    400,
    "The form cannot be read",
    "The body is not valid multipart/form-data (RFC 7578), or it ends too early.",
)
SLICES_NOT_JOINED = UPLOAD.declare(
    "slices-not-joined",
    415,
    "Slices of this uploader are not put together",
    "The request contains a part of a file, and the service never stores a part as a "
    "file. `uploader` names the program that cut the file. Configure it to send whole "
    "files, or use a tus client, which sends parts and can resume; `tus` is its address "
    "here. The service joins slices from dropzone.",
)
INCONSISTENT_SLICE = UPLOAD.declare(
    "inconsistent-slice",
    409,
    "The slice does not fit the others of its file",
    "The fields of this slice contradict each other, the bytes, or the fields of earlier "
    "slices. The service kept nothing of the slice. Send the file again with a new "
    "identifier.",
)
SLICES_REFUSED = UPLOAD.declare(
    "slices-refused",
    409,
    "The file of this slice was refused already",
    "The response to an earlier slice states the reason, or earlier slices were lost. "
    "Send the file again, from its first slice.",
)
CHECKSUM_MISMATCH = UPLOAD.declare(
    "checksum-mismatch",
    460,
    "The bytes do not have the checksum that was sent",
    "The service discarded the bytes of this request. The offset of the upload did not "
    "change. Send the bytes again.",
)
OFFSET_MISMATCH = UPLOAD.declare(
    "mismatching-upload-offset",
    409,
    "The upload is at another offset",
    "`Upload-Offset` of the response is the offset at which to continue. Send a HEAD "
    "request before you continue.",
)
UPLOAD_LENGTH = UPLOAD.declare(
    "inconsistent-upload-length",
    400,
    "The upload's length is missing or not the one announced",
    "An upload has one length in bytes. The client announces it at the creation or "
    "later, and cannot change it.",
)
FINAL_UPLOAD = UPLOAD.declare(
    "final-upload",
    403,
    "A final upload takes no bytes",
    "A final upload is made from its partial uploads. Send the bytes to the partial uploads.",
)
TUS_VERSION = UPLOAD.declare(
    "tus-version",
    412,
    "This version of tus is not spoken",
    "Send `Tus-Resumable: 1.0.0`.",
)
PARTS_APART = UPLOAD.declare(
    "parts-apart",
    409,
    "The parts are at different replicas",
    "If the replicas share no folder, each replica has only the parts that began at this "
    "replica. Send all parts of one file through one replica (session affinity), or send the "
    "file as one upload.",
)
UPLOAD_APART = UPLOAD.declare(
    "upload-apart",
    503,
    "The upload is at another replica",
    "The bytes of this upload are on the disk of another replica, and the request could "
    "not be forwarded to it. Try again. If this persists, the addresses of the replicas "
    "are wrong (docs/scaling.md).",
)
UPLOAD_BUSY = UPLOAD.declare(
    "upload-busy",
    423,
    "Another request is writing to this upload",
    "The service asked the other request to stop, and it has not stopped yet. Try again "
    "in a few seconds.",
)
BUCKET_NOT_EMPTY = UPLOAD.declare(
    "bucket-not-empty", 409, "The bucket holds files", "Delete the files first."
)
NOT_ACCEPTABLE = UPLOAD.declare(
    "not-acceptable",
    406,
    "No such form of this",
    "`Accept` allows no media type that this address offers.",
)
KEY_TAKEN = UPLOAD.declare(
    "key-taken",
    409,
    "There is a file with this key",
    "Choose another key, or `on_conflict=rename` or `on_conflict=replace`.",
)
PRECONDITION = UPLOAD.declare(
    "precondition-failed",
    412,
    "A precondition does not hold",
    "The current file does not fulfil `If-Match` or `If-None-Match`. Read the file "
    "again, then decide.",
)
TYPE_NOT_ALLOWED = UPLOAD.declare(
    "type-not-allowed",
    415,
    "This type is not taken",
    "`media_type` is the type of the bytes. If the bytes have no clear type, and the name "
    "contradicts the declared type, `media_type` is the declared type. `allowed_types` lists "
    "the types that the bucket or the ticket accepts.",
)
EXTENSION_NOT_ALLOWED = UPLOAD.declare(
    "extension-not-allowed",
    415,
    "The bucket does not take names of this kind",
    "Give the file a name that ends with one of `allowed_extensions`. The bytes must "
    "have the type of the extension: a new name alone is not enough.",
)
CONTENT_ENCODING = UPLOAD.declare(
    "content-encoding",
    415,
    "Encoded bodies are not taken",
    "Send the file itself, without `Content-Encoding`. The service unpacks nothing.",
)
TICKET_REFUSED = UPLOAD.declare(
    "ticket-refused",
    403,
    "The upload ticket does not allow this",
    "`rule` names the rule of the ticket: `bucket`, `key`, `prefix`, `methods`, "
    "`replace` or `max_files`. Ask the person who gave you the ticket for another one.",
)
TICKET_USED_UP = UPLOAD.declare(
    "ticket-used-up",
    403,
    "The upload ticket is used up",
    "The ticket allowed `max_files` files. Ask the person who gave you the ticket for another "
    "one. If the response has `under_way`, this number of bodies is under way and uses the "
    "rest of the ticket. If one of these bodies fails, you can try again.",
)
OUTSIDE_GRANTS = UPLOAD.declare(
    "outside-grants",
    403,
    "Your grants do not allow this",
    "You may use only some buckets and prefixes. `action`, `bucket` and `key` name the missing"
    " grant (`administer`: every action on every key). The person who manages your tenant can "
    "give you this grant. A token that you get afterwards contains it.",
)
NO_PREVIEW = UPLOAD.declare(
    "no-preview",
    404,
    "No small picture",
    "The file is not a picture, or the picture is damaged or too large. The file itself "
    "exists: leave out `w`.",
)
NO_FILE = UPLOAD.declare(
    "no-file",
    422,
    "The form holds no file",
    "Choose a file before you send the form; with curl: `-F file=@path`.",
)
IDEMPOTENCY_REUSED = UPLOAD.declare(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "Use a new key for each new request. Send the same key only with the same request.",
)
TENANT_QUOTA = UPLOAD.declare(
    "tenant-quota-exceeded",
    507,
    "The tenant's quota is used up",
    "Delete files, or ask the operator for a larger quota. `used_bytes` and `used_files` are "
    "stored or under way, `limit_bytes` and `limit_files` are allowed (null: no limit), "
    "`needed_bytes` and `needed_files` are what this upload adds. A caller with grants gets no"
    " numbers. If the response has `retry_after`, try again after that time: the quota has "
    "space again if an upload under way fails. You can still read files.",
)
TOO_MANY_KEYS = UPLOAD.declare(
    "too-many-idempotency-keys",
    429,
    "Too many Idempotency-Keys are remembered",
    "The service remembers each key for a day, and at most `limit_count` keys for a tenant. "
    "Send the request without a key, or send it again after `retry_after` seconds, when the "
    "oldest key has expired.",
)
STORAGE_FULL = UPLOAD.declare(
    "storage-full",
    507,
    "The disk is full",
    "The disk has no space for this file: no space is free, or bodies under way have reserved "
    "it. If the response has `Retry-After`, try again after that time; otherwise tell the "
    "operator. The response does not state the free space. You can still read files.",
)
STORAGE_FAILED = UPLOAD.declare(
    "storage-failed",
    500,
    "The disk failed",
    "The service could not make the bytes durable and stored nothing. Tell the operator.",
)
ENDPOINT_NOT_ALLOWED = UPLOAD.declare(
    "endpoint-not-allowed",
    422,
    "The URL of the endpoint is not allowed",
    "Webhooks go to `https` URLs with public addresses, without user name, on port 443 or a port "
    "from 1024 up. The operator may allow hosts of your own network (`WHARF_WEBHOOK_ALLOW`).",
)
REPLAY_UNDER_WAY = UPLOAD.declare(
    "replay-under-way",
    409,
    "A replay of this endpoint is under way",
    "An endpoint has one replay at a time. `GET /v1/webhooks/{id}` shows its progress; wait until "
    "`replay` is null.",
)
