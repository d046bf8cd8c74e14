// `prepublishOnly` of each package: what is given to strangers says where it is made and where trouble is told
// (node-red-dev P03). Whoever publishes fills that in: an address in the sources that nobody holds, anybody could take.
import { readFileSync } from 'node:fs';

const { repository, bugs } = JSON.parse(readFileSync('package.json', 'utf8'));
if (repository === undefined || bugs === undefined) {
  process.stderr.write(
    'publishable.js: package.json names no repository or no bugs; before publishing set them to your own, e.g. ' +
      'npm pkg set repository.type=git repository.url=git+https://… bugs.url=https://…\n',
  );
  process.exitCode = 2;
}
