import type { JsonNode, JsonObject } from './json-tree.ts';
import type { Report } from './report.ts';

/** What the original's key is made of, besides its version (market §1.4). */
export interface CipherSeed {
  readonly communityId: string;
  readonly clusterId: string;
}

/** Gives the clear text; throws when the text was not encrypted with this seed. */
export type Decrypt = (cipherText: string, seed: CipherSeed) => string;

const SUFFIX = '.encrypted';
/** The original's samples switch an encrypted key off by this spelling. */
const SWITCHED_OFF = '.encrypted_';

interface Decryption {
  readonly report: Report;
  readonly decrypt: Decrypt | undefined;
  readonly seed: CipherSeed;
}

/**
 * Renames every key ending in `.encrypted` to the key without it and decrypts all texts below (market §1.4).
 * Of a plain and an encrypted key the later one in the file counts. Without `decrypt` the texts stay, with a warning.
 */
export function withDecryptedKeys(root: JsonObject, report: Report, decrypt: Decrypt | undefined): JsonObject {
  return renamed(root, '', {
    report,
    decrypt,
    seed: { communityId: textOf(root, 'communityId'), clusterId: textOf(root, 'clusterId') },
  });
}

function textOf(root: JsonObject, key: string): string {
  const node = root.members.get(key);
  return node?.kind === 'scalar' ? String(node.value) : '';
}

function renamed(object: JsonObject, path: string, how: Decryption): JsonObject {
  const members = new Map<string, JsonNode>();
  for (const [key, node] of object.members) {
    const at = path === '' ? key : `${path}.${key}`;
    if (key.endsWith(SWITCHED_OFF)) {
      how.report.warn({ line: node.line, path: at, message: 'is ignored' });
    } else if (key.endsWith(SUFFIX)) {
      members.set(key.slice(0, -SUFFIX.length), clear(node, at, how));
    } else {
      members.set(key, node.kind === 'object' ? renamed(node, at, how) : node);
    }
  }
  return { ...object, members };
}

function clear(node: JsonNode, path: string, how: Decryption): JsonNode {
  if (node.kind === 'array') return { ...node, items: node.items.map((item) => clear(item, path, how)) };
  if (node.kind === 'object') {
    return {
      ...node,
      members: new Map([...node.members].map(([key, value]) => [key, clear(value, `${path}.${key}`, how)])),
    };
  }
  return typeof node.value === 'string' ? { ...node, value: clearText(node.value, node.line, path, how) } : node;
}

function clearText(cipherText: string, line: number, path: string, { report, decrypt, seed }: Decryption): string {
  if (decrypt === undefined) {
    report.warn({ line, path, message: 'is encrypted and was not decrypted here' });
    return cipherText;
  }
  try {
    return decrypt(cipherText, seed);
  } catch {
    // The cause is left out on purpose: it may quote the text.
    report.problem({
      line,
      path,
      message: `cannot be decrypted as community ${JSON.stringify(seed.communityId)}, cluster ${JSON.stringify(seed.clusterId)}`,
    });
    return cipherText;
  }
}
