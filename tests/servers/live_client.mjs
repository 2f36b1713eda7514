// Runs the unchanged socket.io-client under Node. The argument is one JSON object: {url, auth,
// library, options}. The program writes each message that it receives as one line of JSON. Each
// line of its standard input is a JSON array with the name and the data of an event that the
// program emits.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const given = JSON.parse(process.argv[2]);
const { io } = createRequire(import.meta.url)(given.library);
const write = (name, data) => console.log(JSON.stringify({ name, data: data ?? null }));
const auth = { ...given.auth };

const socket = io(given.url, { reconnectionDelay: 100, ...given.options, auth: (give) => give(auth) });
socket.on("connect", () => write("connect"));
socket.on("connect_error", (error) => write("connect_error", error.data ?? String(error)));
socket.on("disconnect", (reason) => write("disconnect", reason));
socket.onAny((name, data) => {
  if (name === "event") auth.after = data.id;
  write(name, data);
});
createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, data] = JSON.parse(line);
  socket.emit(name, data, (answer) => write("ack", answer));
});
