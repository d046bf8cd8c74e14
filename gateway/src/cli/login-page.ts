/** What the log-in page says about the last attempt. */
export type LoginNote = 'none' | 'wrong' | 'busy' | 'out';

const NOTES: Readonly<Record<LoginNote, string>> = {
  none: '',
  wrong: '<p class="note is-wrong" role="alert">User or password is not right.</p>',
  busy: '<p class="note is-wrong" role="alert">Too many attempts at once. Wait a moment and try again.</p>',
  out: '<p class="note" role="status">You are logged out.</p>',
};

const STYLE = `
:root { color-scheme: light dark; --ink: #17202c; --soft: #536072; --line: #b9c5da; --card: #fff; --sky: #e9f2fb;
  --good: #15704a; --on-good: #fff; --wrong: #b3261e; --focus: #1d5fd1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf4; --soft: #a7b3c4; --line: #4a5b78; --card: #202938;
  --sky: #141b26; --good: #6fdcaa; --on-good: #0d2219; --wrong: #ff9d94; --focus: #8cbcff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--sky);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 380px; padding: 32px; border-radius: 20px; background: var(--card);
  box-shadow: 0 1px 2px rgb(23 32 44 / .06), 0 12px 32px rgb(23 32 44 / .1); }
svg { width: 56px; height: 40px; fill: none; stroke: var(--good); stroke-width: 3; stroke-linecap: round;
  stroke-linejoin: round; }
h1 { margin: 8px 0 4px; font-size: 24px; line-height: 1.25; }
p { margin: 0 0 20px; color: var(--soft); text-wrap: balance; }
label { display: block; margin: 0 0 4px; font-weight: 600; }
input { width: 100%; height: 48px; margin: 0 0 16px; padding: 0 14px; border: 1px solid var(--line); border-radius: 12px;
  background: transparent; color: inherit; font: inherit; }
button { width: 100%; height: 48px; border: 0; border-radius: 12px; background: var(--good); color: var(--on-good);
  font: inherit; font-weight: 600; cursor: pointer; }
:is(input, button):focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.note { padding: 10px 14px; border-radius: 12px; border: 1px solid currentColor; }
.note.is-wrong { color: var(--wrong); }
small { display: block; margin-top: 20px; color: var(--soft); font-size: 14px; }
code { font-family: ui-monospace, monospace; }
`;

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0) ?? 0};`);

/** The one form before editor and dashboard. `to` is where it leads. */
export const loginPage = (user: string, to: string, note: LoginNote): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · APIS Edge</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<svg viewBox="0 0 56 40" aria-hidden="true"><path d="m4 18 10-9 10 9v13H4zM32 18l10-9 10 9v13H32zM4 38h48"/></svg>
<h1>APIS Edge</h1>
<p>Log in to see and steer your community.</p>
${NOTES[note]}
<form method="post" action="/login">
<input type="hidden" name="to" value="${escaped(to)}">
<label for="user">User</label>
<input id="user" name="user" value="${escaped(user)}" autocomplete="username" autocapitalize="none" spellcheck="false" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
<button type="submit">Log in</button>
</form>
<small>The password was printed when APIS Edge first started here. Lost it? Stop APIS Edge and start it with
<code>--new-password</code>.</small>
</main>
</body>
</html>
`;
