import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project root as a path without a trailing slash. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

/** A source file: its path from the project root (with `/`) and its text. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Something at a line of a file; lines count from 1. */
export interface Place {
  readonly line: number;
  readonly what: string;
}

const NOT_SOURCES = /(?:^|\/)(?:node_modules|dist)\//;

/** Reads all files below a folder whose names match; none when the folder does not exist yet. */
export function readTree(folder: string, name: RegExp): Source[] {
  const paths = listTree(join(projectRoot, folder)).map((path) => relative(projectRoot, path).split(sep).join('/'));
  const wanted = paths.filter((path) => name.test(path) && !NOT_SOURCES.test(path));
  return wanted.sort().map((path) => ({ path, text: readFileSync(join(projectRoot, path), 'utf8') }));
}

function listTree(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

const COMMENT_OR_STRING = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** The same text, lines and columns kept, with comments blanked out. */
export const withoutComments = (text: string): string =>
  text.replace(COMMENT_OR_STRING, (part) => (part.startsWith('/') ? blank(part) : part));

/** The same text with comments and the contents of plain strings blanked out; templates stay, they contain code. */
export const onlyCode = (text: string): string =>
  text.replace(COMMENT_OR_STRING, (part) => (part.startsWith('`') ? part : blank(part)));

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

const SPECIFIER = /(?:\bfrom\s*|\bimport\s*\(\s*|\brequire\s*\(\s*|\bimport\s+)(['"])([^'"\n]+)\1/g;

/** The markup of a Vue component, in which quotes and the word `from` mean nothing. */
const MARKUP = /<template>[\s\S]*<\/template>/;

/** Every module that a text imports, statically, dynamically, or for its types alone. */
export function importsOf(text: string): Place[] {
  const code = withoutComments(text.replace(MARKUP, blank));
  return [...code.matchAll(SPECIFIER)].map((match) => ({ line: lineAt(code, match.index), what: match[2] ?? '' }));
}

/** Every line of the code (not of comments or strings) on which the pattern is found. */
export function findInCode(text: string, pattern: RegExp): Place[] {
  const lines = onlyCode(text).split('\n');
  return lines.flatMap((line, index) => (pattern.test(line) ? [{ line: index + 1, what: line.trim() }] : []));
}
