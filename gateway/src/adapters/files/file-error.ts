/** Whether a call of the file system has failed for this reason, as `EIO`. */
export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** There is no such file or directory. */
export const isMissing = (error: unknown): boolean => hasCode(error, 'ENOENT');
