// @tus/server as its README has it, with its file store; one process a core.
// Modules are looked for from where this file is: peers.py copies it beside node_modules.
import cluster from 'node:cluster'
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const [, , directory, port, workers] = process.argv
if (cluster.isPrimary) {
  for (let i = 0; i < Number(workers); i++) cluster.fork()
  // A client that leaves in the middle of a download can end a worker.
  cluster.on('exit', (worker) => worker.exitedAfterDisconnect || cluster.fork())
  process.on('SIGTERM', () => process.exit(0))
} else {
  const server = new Server({ path: '/files', datastore: new FileStore({ directory }) })
  server.get('/ready', (req) => new Response('ready'))
  server.listen({ host: '127.0.0.1', port: Number(port) })
}
