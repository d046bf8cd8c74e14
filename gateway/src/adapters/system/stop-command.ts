import { spawn } from 'node:child_process';
import { DeviceError, messageOf } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';

/**
 * Runs the owner's program that brings a converter to WAIT past its flow (RULE-18), without a shell. Exit code 0 says
 * that it is there; what it writes to stderr goes to ours. Rejects DeviceError `device.refused`, and when it is not
 * done within the limit, which ends it, `device.no-reply`.
 */
export function runStopCommand([program = '', ...args]: readonly string[], limitMsec: Milliseconds): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (reason: string, message: string): void => {
      reject(new DeviceError(reason, `independent safe-stop ${program}: ${message}`));
    };
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      failed('device.no-reply', `not done within ${limitMsec} ms`);
    }, limitMsec);
    child.once('error', (error) => {
      clearTimeout(timer);
      failed('device.refused', messageOf(error));
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else failed('device.refused', code === null ? `ended by ${signal}` : `exit code ${code}`);
    });
  });
}
