// Requests to the service, and the tokens for them. The access token stays in this module; the refresh token is kept
// in sessionStorage, so that a reload keeps the session and closing the tab ends it. There is no cookie.

const KEPT = "news.refresh";
/** A token is exchanged when so little is left of it. */
const EARLY_MS = 5 * 60 * 1000;
/** An answer that takes longer is none. */
const TIMEOUT_MS = 20_000;

let access = null;
let expires = 0;
/** @type {Promise<boolean> | null} */
let exchange = null;
/** @type {(() => void)[]} */
const enders = [];

/** An answer that is not the one hoped for. `status` 0: none came. */
export class ApiError extends Error {
  constructor(status, code, detail, answer = {}, retryAfter = 0) {
    super(detail);
    Object.assign(this, { status, code, detail, answer, retryAfter });
  }
}

/** Calls `handler` whenever the session has ended and somebody has to sign in. */
export const onEnd = (handler) => enders.push(handler);
/** Says whether there is a session, or may be one. */
export const hasSession = () => access !== null || sessionStorage.getItem(KEPT) !== null;
/** When the access token ends, in milliseconds since 1970; and whether it is renewed then. */
export const ending = () => ({ at: expires, renews: sessionStorage.getItem(KEPT) !== null });

/** Signs in by name and password. */
export async function signIn(username, password) {
  const pair = await send("/api-auth/token/", { method: "POST", body: JSON.stringify({ username, password }) });
  take(pair.access);
  sessionStorage.setItem(KEPT, pair.refresh);
}

/** Signs in by an access token, as `news token` prints it. It has no successor. */
export function useToken(token) {
  sessionStorage.removeItem(KEPT);
  take(token.trim());
}

/** Forgets both tokens. */
export function signOut() {
  access = null;
  expires = 0;
  sessionStorage.removeItem(KEPT);
}

function take(token) {
  access = token;
  expires = 0;
  try {
    const claims = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    expires = Number(claims.exp) * 1000;
  } catch {
    throw new ApiError(0, "token", "This is not an access token. Run `news token USER` to get one.");
  }
}

/** Gets a new access token for the refresh token. Several requests wait for one exchange. */
function renew() {
  const refresh = sessionStorage.getItem(KEPT);
  if (refresh === null) return Promise.resolve(false);
  exchange ??= send("/api-auth/token/refresh/", { method: "POST", body: JSON.stringify({ refresh }) })
    .then(({ access }) => (take(access), true))
    .catch((error) => {
      // Only a refusal ends the session: the service may be back in a moment.
      if (error.status !== 401 && error.status !== 400) throw error;
      signOut();
      return false;
    })
    .finally(() => { exchange = null; });
  return exchange;
}

/** Returns an access token that is good for a while, or null. */
export async function token() {
  if (access === null || Date.now() > expires - EARLY_MS) await renew();
  return access;
}

/**
 * Asks the service. Returns its JSON, or { unchanged: true } where `etag` is still right.
 * @param {string} path below the service's root
 * @param {{ method?: string, body?: unknown, etag?: string | null, take?: (answer: Response) => Promise<any> }} [options]
 */
export async function ask(path, { method = "GET", body, etag, take = (answer) => answer.json() } = {}) {
  const options = { method, headers: etag ? { "If-None-Match": etag } : {}, body: body === undefined ? undefined : JSON.stringify(body), take };
  for (const isLast of [false, true]) {
    const bearer = await token();
    if (bearer === null) break;
    try {
      return await send(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${bearer}` } });
    } catch (error) {
      if (error.status !== 401) throw error;
      if (isLast || !(await renew())) break;
    }
  }
  signOut();
  enders.forEach((handler) => handler());
  throw new ApiError(401, "signed_out", "The session has ended.");
}

/** Acts: like ask, with POST. */
export const act = (path, body) => ask(path, { method: "POST", body });

async function send(path, { method, headers = {}, body, take = (answer) => answer.json() }) {
  let answer;
  try {
    answer = await fetch(path, {
      method, body, cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    });
    if (answer.status === 304) return { unchanged: true };
    if (answer.ok) {
      const value = await take(answer);
      const tag = answer.headers.get("etag");
      return tag && value && typeof value === "object" ? Object.assign(value, { etag: tag }) : value;
    }
  } catch (error) {
    throw new ApiError(0, "no_answer", error.name === "TimeoutError" ? "The service did not answer in time." : "The service does not answer.");
  }
  const said = await answer.json().catch(() => ({}));
  const detail = typeof said.detail === "string" ? said.detail : `The service answered ${answer.status}.`;
  throw new ApiError(answer.status, said.code ?? "", detail, said, Number(answer.headers.get("retry-after")) || 0);
}
