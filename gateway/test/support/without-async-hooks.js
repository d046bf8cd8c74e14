// Loaded before every test file (.taprc): tap follows each promise by an async hook, so that it can say in which subtest a
// stray error arose. In runs of virtual days, which are promises from end to end, that takes three quarters of the processor
// time. Without the hook a stray error still ends its test file, and fails it.
import hooks from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';

const idle = {
  enable: () => idle,
  disable: () => idle,
};
hooks.createHook = () => idle;
syncBuiltinESMExports();
