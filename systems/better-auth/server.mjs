// One server of the system: better-auth with its cookie cache, sessions in Redis, users in SQLite. Every server is this program with
// the same secret over the same stores; `MAKE=1` makes the tables and the administrator, and ends.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { fromNodeHeaders, toNodeHandler } from "better-auth/node";
import { admin } from "better-auth/plugins";
import Database from "better-sqlite3";
import Redis from "ioredis";

const { REVBENCH_SYSTEM_ADMIN: ADMIN, INSTANCE, PORT, AUTHORITY } = process.env;
const MAX_AGE_S = Number(process.env.MAX_AGE);
const ADMINISTRATOR = { email: "admin@example.com", password: ADMIN, name: "admin" };

const redis = new Redis({ path: process.env.REDIS });
const hash = (password) => createHmac("sha256", ADMIN).update(password).digest("hex");
const database = new Database(process.env.DATABASE);
database.pragma("journal_mode = WAL");

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${AUTHORITY}`,
  secret: ADMIN.repeat(2),
  database,
  secondaryStorage: {
    get: (key) => redis.get(key),
    set: (key, value, ttl) => (ttl ? redis.set(key, value, "EX", ttl) : redis.set(key, value)),
    delete: (key) => redis.del(key),
  },
  session: { expiresIn: 3600, cookieCache: { enabled: true, maxAge: MAX_AGE_S } },
  emailAndPassword: {
    enabled: true,
    autoSignIn: false,
    // Signing in is not what is measured: a password costs next to nothing here.
    password: { hash: async (password) => hash(password), verify: async ({ hash: kept, password }) => kept === hash(password) },
  },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [admin()],
});

const handle = toNodeHandler(auth);

function answer(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

async function json(request) {
  let text = "";
  for await (const part of request) text += part;
  return text ? JSON.parse(text) : {};
}

// The page that needs a session, as the documentation has it.
async function notes(request, response) {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  if (!session) return answer(response, 401, { error: "no session" });
  answer(response, 200, { notes: ["water the plants"], of: session.user.email });
}

// What a page of this application does before its cookie cache runs out: it asks past the cache, which writes a new one.
async function renew(request, response) {
  const { headers, response: session } = await auth.api.getSession({
    headers: fromNodeHeaders(request.headers),
    query: { disableCookieCache: true },
    returnHeaders: true,
  });
  const cookies = headers.getSetCookie();
  if (!session) return answer(response, 401, { error: "no session" }, { "set-cookie": cookies });
  answer(response, 200, { expires_in: MAX_AGE_S }, { "set-cookie": cookies });
}

let administrator;

// Bans or unbans with the admin plugin, as an administrator who signed in when this server started.
async function ban(request, response) {
  const shown = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${ADMIN}`);
  if (shown.length !== wanted.length || !timingSafeEqual(shown, wanted)) return answer(response, 401, { error: "not an administrator" });
  const { userId, banned } = await json(request);
  const headers = new Headers({ cookie: administrator });
  await (banned ? auth.api.banUser({ body: { userId }, headers }) : auth.api.unbanUser({ body: { userId }, headers }));
  answer(response, 200, {});
}

const routes = {
  "GET /notes": notes,
  "POST /renew": renew,
  "POST /admin/ban": ban,
  "GET /healthz": (_, response) => answer(response, 200, {}),
};

async function serve(request, response) {
  response.setHeader("x-instance", INSTANCE);
  const route = routes[`${request.method} ${request.url.split("?")[0]}`];
  if (route) return route(request, response);
  // Says how long the cookie cache lives, which better-auth's own answers do not.
  response.setHeader("x-expires-in", MAX_AGE_S);
  return handle(request, response);
}

if (process.env.MAKE) {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  await auth.api.createUser({ body: { ...ADMINISTRATOR, role: "admin" } });
  // Not `redis.quit()`: it fails whatever the connection still waits for, its own first question among it.
  process.exit(0);
} else {
  if (PORT === AUTHORITY) {
    const { headers } = await auth.api.signInEmail({ body: ADMINISTRATOR, returnHeaders: true });
    const session = headers.getSetCookie().find((cookie) => cookie.startsWith("better-auth.session_token="));
    administrator = session.split(";")[0];
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => {
      console.error(error);
      if (!response.headersSent) answer(response, 500, { error: String(error) });
    });
  });
  server.keepAliveTimeout = 120_000;
  server.listen(Number(PORT), "127.0.0.1");
}
