// A stand-in of realtime: joins, heartbeats and broadcasts of the Phoenix protocol, and the tenant's health.
// A join is answered with what was seen of the handshake.
import http from "node:http";
import { WebSocketServer } from "ws";

const members = new Map(); // topic -> Map(socket -> {self, reference})

const server = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const answer = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (request.url === "/healthcheck") return answer(200, { status: "ok" });
  if (/^\/api\/tenants\/[a-z0-9]+\/health$/.test(request.url)) return answer(200, { data: { healthy: true } });
  const [, topic, event] = request.url.match(/^\/api\/broadcast\/([^/]+)\/events\/([^/]+)$/) ?? [];
  if (topic && request.method === "POST") {
    pass(`realtime:${topic}`, { type: "broadcast", event, payload: JSON.parse(Buffer.concat(parts)) });
    return answer(202, {});
  }
  return answer(404, { path: request.url });
});

function pass(topic, payload, sender) {
  for (const [socket, { self, reference }] of members.get(topic) ?? [])
    if (socket !== sender || self) send(socket, [reference, null, topic, "broadcast", payload]);
}

// Version 1.0.0 has objects, 2.0.0 arrays and, for what a client broadcasts, bytes: a head of lengths, the words, the payload.
function send(socket, [join_ref, ref, topic, event, payload]) {
  const message = socket.arrays ? [join_ref, ref, topic, event, payload] : { join_ref, ref, topic, event, payload };
  socket.send(JSON.stringify(message));
}

const sockets = new WebSocketServer({ noServer: true });
server.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://stand-in");
  if (url.pathname !== "/socket/websocket") return socket.destroy();
  const { host, authorization = null, "x-api-key": key = null } = request.headers;
  sockets.handleUpgrade(request, socket, head, (made) => {
    made.arrays = url.searchParams.get("vsn") !== "1.0.0";
    const seen = { path: url.pathname, query: [...url.searchParams.keys()], host, authorization, key };
    made.on("message", (data, binary) => heard(made, seen, binary ? unpacked(data) : JSON.parse(data)));
    made.on("close", () => members.forEach((topic) => topic.delete(made)));
  });
});

function unpacked(data) {
  const [, ...lengths] = data.subarray(0, 6);
  let from = 7;
  const [join_ref, ref, topic, event] = lengths.map((length) => data.toString("utf8", from, (from += length)));
  return [join_ref, ref, topic, "broadcast", { type: "broadcast", event, payload: JSON.parse(data.subarray(from)) }];
}

function heard(socket, seen, message) {
  const [join_ref, ref, topic, event, payload] = Array.isArray(message)
    ? message
    : [message.join_ref, message.ref, message.topic, message.event, message.payload];
  if (event === "broadcast") pass(topic, payload, socket);
  if (event === "phx_join") {
    if (!members.has(topic)) members.set(topic, new Map());
    members.get(topic).set(socket, { self: payload.config?.broadcast?.self, reference: join_ref });
  }
  send(socket, [join_ref, ref, topic, "phx_reply", { status: "ok", response: { postgres_changes: [], seen } }]);
}

server.listen(Number(process.env.PORT), "127.0.0.1");
