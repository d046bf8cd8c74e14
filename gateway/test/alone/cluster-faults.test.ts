import { fileURLToPath } from 'node:url';
import t from 'tap';
import { noNamespaces } from '../support/namespaces.ts';
import { Running } from '../support/process.ts';

/** The short form of `npm run cluster-test`: each disturbance once. */
const RUNNER = fileURLToPath(new URL('../cluster/run.ts', import.meta.url));

interface Row {
  readonly scenario: string;
  readonly figure: string;
  readonly median: number;
  readonly limit: number;
  readonly problem?: string;
}

t.setTimeout(235_000);

t.test(
  'INV-1, RULE-7, INV-10: separate gateways that are killed, frozen and cut apart stay safe and trade again',
  { skip: noNamespaces() ?? false },
  async (t) => {
    const runner = new Running(RUNNER, ['--short', '--json']);
    t.teardown(async () => {
      runner.child.kill('SIGTERM');
      await runner.ended; // it ends what it has started and removes the namespaces
    });
    await runner.ended;
    t.match(runner.out, /^\{/, runner.err);
    const { rows }: { rows: readonly Row[] } = JSON.parse(runner.out);
    for (const { scenario, figure, median, limit, problem } of rows) {
      t.equal(problem, undefined, `${scenario}: ${figure} ${median}, limit ${limit}`);
    }
  },
);
