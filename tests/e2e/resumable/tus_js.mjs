// Runs tus-js-client under Node for test_tus_js.py. The argument is one JSON object; the output is one line of JSON.
//
// The object is {endpoint, token, path, source, library, options, urls, stopAfter}. The program uploads the file
// `path`. It keeps the addresses of uploads in the file `urls`. After `stopAfter` bytes it ends, as in a crash.
import { createRequire } from 'node:module'
import { createReadStream, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'

const told = JSON.parse(process.argv[2])
const tus = createRequire(import.meta.url)(told.library)

const seen = { progress: 0, retries: 0, patches: 0, methods: {} }
// The client cannot find out the length of a stream that comes from a pipe.
const file = told.source === 'memory' ? readFileSync(told.path)
  : told.source === 'pipe' ? createReadStream(told.path).pipe(new PassThrough())
    : createReadStream(told.path)
const upload = new tus.Upload(file, {
  endpoint: told.endpoint,
  headers: { Authorization: `Bearer ${told.token}` },
  retryDelays: [0, 50, 100, 200, 400, 800],
  urlStorage: told.urls ? new tus.FileUrlStorage(told.urls) : null,
  storeFingerprintForResuming: Boolean(told.urls),
  fingerprint: () => Promise.resolve(told.path),
  ...told.options,
  onBeforeRequest (request) {
    const method = request.getMethod()
    seen.methods[method] = (seen.methods[method] || 0) + 1
  },
  onShouldRetry: (error) => { seen.retries += 1; console.error(String(error)); return true },
  onChunkComplete: (_, accepted) => {
    if (told.stopAfter && accepted >= told.stopAfter) process.kill(process.pid, 'SIGKILL')
  },
  onSuccess: () => { console.log(JSON.stringify({ ...seen, url: upload.url })) },
  onError: (error) => {
    const status = error.originalResponse ? error.originalResponse.getStatus() : 0
    const body = error.originalResponse ? error.originalResponse.getBody() : ''
    console.log(JSON.stringify({ ...seen, error: String(error), status, body }))
  }
})
const previous = told.urls ? await upload.findPreviousUploads() : []
if (previous.length > 0) upload.resumeFromPreviousUpload(previous[0])
seen.resumed = previous.length
upload.start()
