// tus-js-client under Node, told what to do by test_tus_js.py: one JSON argument, one line of JSON back.
//
// {endpoint, token, path, source, library, options, urls, stopAfter}: uploads `path`; `urls` is a file that
// remembers addresses of uploads; after `stopAfter` bytes the process is gone, as in a crash.
import { createRequire } from 'node:module'
import { createReadStream, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'

const told = JSON.parse(process.argv[2])
const tus = createRequire(import.meta.url)(told.library)

const seen = { progress: 0, retries: 0, patches: 0, methods: {} }
// What is piped has no length that the client could find out.
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
