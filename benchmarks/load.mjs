// Load on one address: so many clients, each asking as soon as it has its answer, over a new connection each time, or over a
// kept one. On stdin: port or socket, path, kept, key, seconds, clients. Prints how many answers came (`all`: with those of
// the time before) and how fast.
import http from "node:http";
import { readFileSync } from "node:fs";

const { port, socket, path, kept, key, seconds, clients } = JSON.parse(readFileSync(0, "utf8"));
const to = socket ? { socketPath: socket } : { host: "127.0.0.1", port };
const headers = { apikey: key, Authorization: `Bearer ${key}` };
const agent = kept && new http.Agent({ keepAlive: true, maxSockets: clients });
const times = [];
let failed = 0;
let all = 0;

const ask = () =>
  new Promise((done) => {
    const start = performance.now();
    const request = http.get({ ...to, path, headers, agent }, (answer) => {
      answer.resume();
      answer.on("end", () => done(answer.statusCode === 200 ? performance.now() - start : null));
    });
    request.on("error", () => done(null));
  });

async function client(end, keep) {
  while (performance.now() < end) {
    const time = await ask();
    all++;
    if (!keep) continue;
    if (time === null) failed++;
    else times.push(time);
  }
}

const run = (duration, keep) => {
  const end = performance.now() + duration * 1000;
  return Promise.all(Array.from({ length: clients }, () => client(end, keep)));
};
await run(0.5, false);
const start = performance.now();
await run(seconds, true);
const took = (performance.now() - start) / 1000;
times.sort((a, b) => a - b);
const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))];
agent && agent.destroy();
console.log(JSON.stringify({ answers: times.length, all, failed, seconds: took, p50: at(0.5), p99: at(0.99) }));
