/** What the owner of a certificate may do in the cluster (architecture.md §3); the certificate's OU. */
export const ROLES = ['unit', 'operator', 'device', 'observer'] as const;
export type Role = (typeof ROLES)[number];

export const isRole = (word: unknown): word is Role => ROLES.some((role) => role === word);
