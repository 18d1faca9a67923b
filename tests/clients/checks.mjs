// What supabase-js gets of an instance: every check below by its name, as JSON. On stdin: url, anon, service, users {ada, bob}
// and other, the keys of another instance.
import { readFileSync } from "node:fs";
import { createClient } from "@supabase/supabase-js";

const { url, anon, service, users, other } = JSON.parse(readFileSync(0, "utf8"));
const as = (key, token) =>
  createClient(url, key, {
    auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false },
    ...(token && { accessToken: async () => token }),
  });
const visitor = as(anon);
const ada = as(anon, users.ada);
const bob = as(anon, users.bob);
const admin = as(service);

// Data, or what is wrong with its code.
const told = async (query) => {
  const { data, error, status, count } = await query;
  return error ? [status, error.code || error.message] : count == null ? [status, data] : [status, data, count];
};
const asked = async (path, headers = {}, init = {}) => {
  const answer = await fetch(url + path, { headers, ...init });
  return [answer.status, await answer.json()];
};
const bodies = (client) => client.from("notes").select("body").order("id");

// The first state of a channel, then, if it is open, what comes back of one message and what realtime saw.
const spoken = (client, topic) =>
  new Promise((done) => {
    const channel = client.channel(topic, { config: { broadcast: { self: true } } });
    let seen = null;
    const end = (value) => {
      client.realtime.disconnect();
      done(value);
    };
    channel.on("broadcast", { event: "said" }, ({ payload }) => end(["SUBSCRIBED", payload, seen]));
    channel.subscribe((state) => {
      if (state !== "SUBSCRIBED") return end([state]);
      return channel.send({ type: "broadcast", event: "said", payload: { text: "grüezi" } });
    });
    channel.joinPush?.receive?.("ok", (response) => (seen = response.seen));
  });

const checks = {
  "anon selects": () => told(bodies(visitor)),
  "anon inserts": () => told(visitor.from("notes").insert({ body: "x" })),
  "anon deletes": () => told(visitor.from("notes").delete().gt("id", 0).select("id")),
  "user inserts": () => told(ada.from("notes").insert({ body: "ada's; 1=1 --" }).select("owner, body, shared")),
  "user inserts for another": () => told(ada.from("notes").insert({ body: "x", owner: "bob" })),
  "user selects": () => told(bodies(ada)),
  "another user selects": () => told(bodies(bob)),
  "user updates": () => told(ada.from("notes").update({ body: "ada's, changed" }).eq("owner", "ada").select("body")),
  "another user updates": () => told(bob.from("notes").update({ body: "x" }).eq("owner", "ada").select("body")),
  "service counts": () => told(admin.from("notes").select("*", { count: "exact", head: true })),
  "service upserts": () => told(admin.from("notes").upsert({ id: 900, body: "of the service", shared: true }).select("id, owner")),
  "filter of a column": () => told(visitor.from("notes").select("body").eq("body", "of the service").limit(1).single()),
  "no row for single": () => told(visitor.from("notes").select("body").eq("id", -1).single()),
  "service deletes": () => told(admin.from("notes").delete().eq("id", 900).select("id")),
  "user deletes": () => told(ada.from("notes").delete().eq("owner", "ada").select("body")),
  "anon calls": () => told(visitor.rpc("whoami")),
  "user calls": () => told(ada.rpc("whoami")),
  "service calls": () => told(admin.rpc("whoami")),
  "call by GET": () => told(visitor.rpc("add", { a: 2, b: 40 }, { get: true })),
  "anon calls what is the service's": () => told(visitor.rpc("everything")),
  "service calls what is its own": () => told(admin.rpc("everything")),
  "no such table": async () => (await told(visitor.from("nothing").select()))[0],

  "wrong key": () => told(bodies(as("wrong"))),
  "other instance's anon key": () => told(bodies(as(other.anon))),
  "other instance's service key": () => told(bodies(as(other.service))),
  "other instance's token": () => told(bodies(as(anon, other.service))),
  "no key": () => asked("/rest/v1/notes"),
  "a token in place of a key": () => asked("/rest/v1/notes", { Authorization: `Bearer ${service}` }),
  "key in the query": () => asked(`/rest/v1/notes?select=body&order=id&apikey=${anon}`),

  "description for the service key": async () => {
    const [status, { swagger, paths }] = await asked("/rest/v1/", { apikey: service });
    return [status, swagger, Object.keys(paths).sort()];
  },
  "description for anon": () => asked("/rest/v1/", { apikey: anon }),
  "description for a user": () => asked("/rest/v1/", { apikey: anon, Authorization: `Bearer ${users.ada}` }),
  "description without a key": () => asked("/rest/v1/"),

  "file up": async () => {
    const made = await admin.storage.from("files").upload("Ordner/ä b (1)+@&=.txt", "grüezi", { contentType: "text/x-greeting" });
    return made.error?.message ?? made.data.path;
  },
  "file as storage saw it": async () => {
    const [, { method, url, length, authorization, prefix }] = await asked("/storage/v1/last");
    return [method, url, length > 0, authorization === `Bearer ${service}`, prefix];
  },
  "file down": async () => {
    const { data, error } = await admin.storage.from("files").download("Ordner/ä b (1)+@&=.txt");
    return error?.message ?? (await data.text()).includes("grüezi");
  },
  "file by a signed address": async () => {
    const { data, error } = await admin.storage.from("files").createSignedUrl("Ordner/ä b (1)+@&=.txt", 60);
    if (error) return error.message;
    return [(await fetch(data.signedUrl)).status, new URL(data.signedUrl).search];
  },
  "file by its public address": async () => {
    const { data } = visitor.storage.from("files").getPublicUrl("Ordner/ä b (1)+@&=.txt");
    const answer = await fetch(data.publicUrl);
    const [, { authorization }] = await asked("/storage/v1/last");
    return [answer.status, authorization];
  },
  "edge function": async () => (await visitor.functions.invoke("hello")).error.context.status,

  "channel of anon": () => spoken(as(anon), "room"),
  "channel of the service": () => spoken(as(service), "room"),
  "channel with a wrong key": () => spoken(as("wrong"), "room"),
  "channel with the other instance's key": () => spoken(as(other.service), "room"),
  "broadcast by HTTP": async () => {
    const channel = as(anon).channel("lobby");
    return (await channel.httpSend("said", { text: "x" })).success;
  },
};

const results = {};
for (const [name, check] of Object.entries(checks)) {
  const late = new Promise((done) => setTimeout(done, 30000, "no answer").unref());
  results[name] = await Promise.race([check().catch((error) => `threw ${error}`), late]);
}
console.log(JSON.stringify(results));
process.exit(0);
