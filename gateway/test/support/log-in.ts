/** Logs in like the form does; gives the session as a `Cookie` header. Rejects with the status of a refusal. */
export async function logIn(site: string, password: string, user = 'apis'): Promise<string> {
  const reply = await fetch(`${site}/login`, {
    method: 'POST',
    body: new URLSearchParams({ user, password, to: '/' }),
    redirect: 'manual',
  });
  const cookie = reply.headers.getSetCookie()[0]?.split(';')[0];
  if (reply.status !== 303 || cookie === undefined) throw new Error(`not logged in: ${reply.status}`);
  return cookie;
}
