"""The problems that only the upload service has; `docs/problems.md` is made from them."""

from __future__ import annotations

from servicekit.problems import Catalogue

UPLOAD = Catalogue()

INVALID_KEY = UPLOAD.declare(
    "invalid-key",
    400,
    "The key or name is not allowed",
    "A key is 1 to 1024 bytes of UTF-8 without control or bidirectional characters, and with "
    "zero-width ones only where a word or an emoji needs them; no segment between slashes is "
    "empty, `.` or `..`, or longer than 255 bytes. `name` is the name, `character` and `position` "
    "what is wrong in it.",
)
EVENT_CURSOR_EXPIRED = UPLOAD.declare(
    "event-cursor-expired",
    410,
    "The number of the event is no longer read",
    "Releases before gave events numbers, which are read for a time after the update. Begin anew: "
    "read the lists of files, and ask for events without `after` or `before`. The answer has a "
    "text to go on with, which stays good.",
)
INVALID_DIGEST = UPLOAD.declare(
    "invalid-digest",
    400,
    "The digest field cannot be read",
    "`Content-Digest` and `Repr-Digest` look like `sha-256=:base64:` (RFC 9530).",
)
DIGEST_MISMATCH = UPLOAD.declare(
    "digest-mismatch",
    400,
    "The bytes do not have the digest that was sent",
    "Nothing was stored. The body was damaged on its way, or the digest is of something else.",
)
MALFORMED_FORM = UPLOAD.declare(
    "malformed-form",
    400,
    "The form cannot be read",
    "The body is not valid multipart/form-data (RFC 7578), or ends too early.",
)
SLICES_NOT_JOINED = UPLOAD.declare(
    "slices-not-joined",
    415,
    "Slices of this uploader are not put together",
    "The request brings a part of a file, and a part is never stored as a file. `uploader` names "
    "who cut it. Let it send files whole, or use a client of tus, which sends parts and resumes; "
    "`tus` is its address here. Slices of dropzone are put together.",
)
INCONSISTENT_SLICE = UPLOAD.declare(
    "inconsistent-slice",
    409,
    "The slice does not fit the others of its file",
    "What a request says of its slice contradicts itself, the bytes, or what earlier slices said. "
    "Nothing of it was kept; a file that is sent anew gets another identifier.",
)
SLICES_REFUSED = UPLOAD.declare(
    "slices-refused",
    409,
    "The file of this slice was refused already",
    "The answer to an earlier slice said why, or earlier slices were lost. Send the file anew, "
    "from its first slice.",
)
CHECKSUM_MISMATCH = UPLOAD.declare(
    "checksum-mismatch",
    460,
    "The bytes do not have the checksum that was sent",
    "What this request brought was thrown away; the upload is where it was. Send the bytes again.",
)
OFFSET_MISMATCH = UPLOAD.declare(
    "mismatching-upload-offset",
    409,
    "The upload is at another offset",
    "`Upload-Offset` of the answer says where to go on. Ask with HEAD before going on.",
)
UPLOAD_LENGTH = UPLOAD.declare(
    "inconsistent-upload-length",
    400,
    "The upload's length is missing or not the one announced",
    "An upload has one length, in bytes, announced at its creation or later, and never changed.",
)
FINAL_UPLOAD = UPLOAD.declare(
    "final-upload",
    403,
    "A final upload takes no bytes",
    "It is made of its partial uploads; send the bytes to those.",
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
    "Without a shared folder each replica has the parts that began there. Send the parts of one "
    "file through one replica (session affinity), or the file as one upload.",
)
UPLOAD_APART = UPLOAD.declare(
    "upload-apart",
    503,
    "The upload is at another replica",
    "The bytes so far are on the disk of a replica to which this request could not be passed on. "
    "Try again; where it stays so, the replicas' addresses are wrong (docs/scaling.md).",
)
UPLOAD_BUSY = UPLOAD.declare(
    "upload-busy",
    423,
    "Another request is writing to this upload",
    "It was asked to stop and has not yet. Try again in a few seconds.",
)
BUCKET_NOT_EMPTY = UPLOAD.declare(
    "bucket-not-empty", 409, "The bucket holds files", "Delete the files first."
)
NOT_ACCEPTABLE = UPLOAD.declare(
    "not-acceptable",
    406,
    "No such form of this",
    "`Accept` allows no media type that this address has.",
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
    "`If-Match` or `If-None-Match` does not fit what is there. Read the file again, then decide.",
)
TYPE_NOT_ALLOWED = UPLOAD.declare(
    "type-not-allowed",
    415,
    "This type is not taken",
    "`media_type` is what the bytes are, or what the client calls them where they do not tell and "
    "the name says something else; `allowed_types` is what the bucket or the ticket takes.",
)
EXTENSION_NOT_ALLOWED = UPLOAD.declare(
    "extension-not-allowed",
    415,
    "The bucket does not take names of this kind",
    "Give the file a name that ends with one of `allowed_extensions`. The bytes have to agree: a "
    "new name alone does not make another file of it.",
)
CONTENT_ENCODING = UPLOAD.declare(
    "content-encoding",
    415,
    "Encoded bodies are not taken",
    "Send the file itself, without `Content-Encoding`; nothing is unpacked here.",
)
TICKET_REFUSED = UPLOAD.declare(
    "ticket-refused",
    403,
    "The upload ticket does not allow this",
    "`rule` names the rule of the ticket: `bucket`, `key`, `prefix`, `methods` or"
    " `replace`. Ask whoever "
    "handed it out for one that fits.",
)
TICKET_USED_UP = UPLOAD.declare(
    "ticket-used-up",
    403,
    "The upload ticket is used up",
    "It was good for `max_files` files. Ask whoever handed it out for another one. With "
    "`under_way` so many bodies are on their way by it, and take what is left: when one fails, "
    "try again.",
)
OUTSIDE_GRANTS = UPLOAD.declare(
    "outside-grants",
    403,
    "Your grants do not allow this",
    "You reach some buckets and prefixes only. `action`, `bucket` and `key` name the grant that is "
    "missing (`administer`: every action on every key); whoever manages your tenant can give it. A "
    "new token brings new grants at once.",
)
NO_PREVIEW = UPLOAD.declare(
    "no-preview",
    404,
    "No small picture",
    "The file is no picture, or one that is damaged or too large to be made small. The file itself "
    "is there: leave out `w`.",
)
NO_FILE = UPLOAD.declare(
    "no-file",
    422,
    "The form holds no file",
    "Choose a file before sending the form; with curl: `-F file=@path`.",
)
IDEMPOTENCY_REUSED = UPLOAD.declare(
    "idempotency-key-reused",
    422,
    "The Idempotency-Key belongs to another request",
    "Use a new key for each new request; send the same key only with the same request.",
)
TENANT_QUOTA = UPLOAD.declare(
    "tenant-quota-exceeded",
    507,
    "The tenant's quota is used up",
    "Delete files, or ask the operator for a larger quota. `used_bytes`, `used_files` are stored "
    "or on their way, `limit_bytes` and `limit_files` allowed (null is no limit), `needed_bytes` "
    "and `needed_files` what this upload adds; a caller with grants is told no numbers. With "
    "`retry_after` there is room again when an upload that is on its way fails. Reads go on.",
)
TOO_MANY_KEYS = UPLOAD.declare(
    "too-many-idempotency-keys",
    429,
    "Too many Idempotency-Keys are remembered",
    "Each is remembered for a day, and `limit_count` of them for a tenant. Send the request "
    "without one, or again after `retry_after` seconds, when the oldest has ended.",
)
STORAGE_FULL = UPLOAD.declare(
    "storage-full",
    507,
    "The disk is full",
    "The service has no room for this file: none is left, or bodies that are on their way have "
    "reserved it. With `Retry-After` some may be free then; else tell the operator. How much room "
    "there is, is not told. Reads go on.",
)
STORAGE_FAILED = UPLOAD.declare(
    "storage-failed",
    500,
    "The disk failed",
    "The bytes could not be made durable, and nothing was stored. Tell the operator.",
)
