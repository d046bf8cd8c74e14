// `prepack` of each package: puts the project's LICENSE and CHANGELOG beside its package.json, where npm takes them from,
// and refuses to pack what is not built. Git ignores the copies.
import { copyFileSync, existsSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

if (existsSync('dist')) for (const paper of ['LICENSE', 'CHANGELOG.md']) copyFileSync(new URL(paper, root), paper);
else {
  process.stderr.write('package-papers.js: dist/ is missing; run "npm run build" in the project root first.\n');
  process.exitCode = 2;
}
