import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter } from 'node:path';
import { inRoot } from './paths.js';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Tools that the child starts by name find the project's versions first. */
const projectPath = () => `${inRoot('node_modules/.bin')}${delimiter}${process.env.PATH ?? ''}`;

/** A Ctrl-C at a terminal reaches the whole process group by itself; passing it on would deliver it twice. */
const reachesChildAnyway = (signal) => signal === 'SIGINT' && process.stdin.isTTY === true;

/** Hands the signals on to the child while it runs; gives the function that ends this. */
const forwardSignals = (child) => {
  const forward = (signal) => reachesChildAnyway(signal) || child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  return () => {
    for (const signal of FORWARDED) process.off(signal, forward);
  };
};

/** The shell's convention: a death by signal n is exit code 128 + n. */
const exitCodeOf = (code, signal) => code ?? 128 + (constants.signals[signal] ?? 0);

/**
 * Runs a program in the project root until it ends, and passes signals on to it.
 * @param {string} file
 * @param {string[]} args
 * @param {Record<string, string>} env added to the environment
 * @param {import('node:child_process').StdioOptions} stdio
 * @returns {Promise<number>} its exit code; rejects when it cannot be started
 */
export const runChild = (file, args, env = {}, stdio = 'inherit') =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: inRoot('.'), stdio, env: { ...process.env, PATH: projectPath(), ...env } });
    const stopForwarding = forwardSignals(child);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      stopForwarding();
      resolve(exitCodeOf(code, signal));
    });
  });
