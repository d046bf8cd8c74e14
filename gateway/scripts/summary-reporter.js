// Reporter of `npm test`: one line per test file, the details of each failure, every skip with its reason, and as the
// last line "N passed, N failed, N skipped". A Transform, because tap pipes the reporter on to stdout.
import { Transform } from 'node:stream';
import { inspect } from 'node:util';
import { Parser } from 'tap-parser';

/** Checks that ran before tap (lint, types); run.js hands their outcome over, so that the last line speaks for all. */
const earlierChecks = () => Object.entries(JSON.parse(process.env.APIS_CHECKS ?? '{}'));

/** Where and why an assertion failed, as indented lines. */
const describe = ({ at, diff, source, stack, ...rest } = {}) => {
  const place = at?.fileName ? `at ${at.fileName}:${at.lineNumber}` : undefined;
  const others = Object.keys(rest).length > 0 ? inspect(rest, { depth: 6, breakLength: 100 }) : undefined;
  const parts = [place, source, diff ?? others, stack].filter((part) => typeof part === 'string' && part !== '');
  return parts.map((part) => `${part.trimEnd().replace(/^/gm, '      ')}\n`).join('');
};

export default class SummaryReporter extends Transform {
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #skips = [];
  #parser = new Parser();
  #completed = new Promise((resolve) => this.#parser.on('complete', resolve));

  constructor() {
    super();
    for (const [name, ok] of earlierChecks()) this.#countCheck(name, ok);
    this.#parser.on('pass', () => this.#counts.passed++);
    this.#parser.on('skip', (result) => this.#countSkip(result, result.skip));
    this.#parser.on('todo', (result) => this.#countSkip(result, `todo: ${result.todo}`));
    this.#parser.on('fail', (result) => this.#countFailure(result));
    this.#parser.on('assert', (result) => this.#printFile(result));
    this.#parser.on('bailout', (reason) => this.push(`Bail out! ${reason}\n`));
  }

  #countCheck(name, ok) {
    this.#counts[ok ? 'passed' : 'failed']++;
    this.push(`${ok ? 'ok  ' : 'FAIL'} ${name}\n`);
  }

  #countSkip(result, reason) {
    this.#counts.skipped++;
    this.#skips.push(`skip ${result.fullname}: ${reason === true ? 'no reason given' : reason}\n`);
  }

  #countFailure(result) {
    this.#counts.failed++;
    this.push(`  not ok ${result.fullname}\n${describe(result.diag ?? undefined)}`);
  }

  #printFile({ ok, name, time }) {
    this.push(`${ok ? 'ok  ' : 'FAIL'} ${name}${time === null ? '' : ` (${Math.round(time)} ms)`}\n`);
  }

  /** A file can fail without a failed assertion (wrong plan, nothing run): such a run still counts as a failure. */
  #countUnexplained({ ok, failures }) {
    if (ok || this.#counts.failed > 0) return;
    this.#counts.failed++;
    this.push(`  not ok ${inspect(failures, { depth: 3 })}\n`);
  }

  _transform(chunk, _encoding, done) {
    this.#parser.write(chunk);
    done();
  }

  async _flush(done) {
    this.#parser.end();
    this.#countUnexplained(await this.#completed);
    const { passed, failed, skipped } = this.#counts;
    this.push(`${this.#skips.join('')}${passed} passed, ${failed} failed, ${skipped} skipped\n`);
    done();
  }
}
