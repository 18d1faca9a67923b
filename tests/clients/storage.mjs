// A stand-in of storage: keeps small objects by their path to the letter, counts large ones, tells who asked last.
import http from "node:http";

const KEPT = 1 << 20;
const objects = new Map();
let last = null;

http
  .createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { "Content-Type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const path = request.url.replace(/[?].*$/, "");
    const bucket = path.match(/^\/bucket(?:\/([^/]+))?$/);
    if (path === "/status") return answer(200, { status: "ok" });
    if (path === "/last") return answer(200, last);
    if (bucket) return answer(200, bucket[1] ? { id: bucket[1], name: bucket[1], public: false } : []);
    const parts = [];
    let length = 0;
    for await (const part of request) if ((length += part.length) <= KEPT) parts.push(part);
    const { authorization = null, host, "x-forwarded-prefix": prefix, "content-type": type = null } = request.headers;
    last = { method: request.method, url: request.url, length, authorization, host, prefix };
    const object = path.replace(/^\/object\/(?:sign\/|public\/|authenticated\/)?/, "");
    if (path.startsWith("/object/sign/") && request.method === "POST")
      return answer(200, { signedURL: `${decodeURIComponent(path)}?token=signed` });
    if (request.method === "POST" || request.method === "PUT") {
      objects.set(object, { type, body: Buffer.concat(parts) });
      return answer(200, { Id: "0", Key: decodeURIComponent(object) });
    }
    const found = objects.get(object);
    if (!found) return answer(400, { statusCode: "404", error: "not_found", message: "Object not found" });
    response.writeHead(200, { "Content-Type": found.type, "Content-Length": found.body.length });
    return response.end(found.body);
  })
  .listen(Number(process.env.SERVER_PORT), process.env.SERVER_HOST);
