// Composes what Node-RED loads out of what people write: dist/nodes/<node>.{js,html} with locales and icons, and the
// dashboard widgets as resources/ui-apis-*.umd.js. Runs after `tsc -b`.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import { build } from 'vite';
import cssInjectedByJs from 'vite-plugin-css-injected-by-js';

const root = dirname(fileURLToPath(import.meta.url));
const source = join(root, 'src');
const target = join(root, 'dist', 'nodes');
const LANGUAGES = ['en-US', 'ja'];

const read = (...path) => readFileSync(join(...path), 'utf8').trimEnd();
const write = (text, ...path) => {
  mkdirSync(dirname(join(...path)), { recursive: true });
  writeFileSync(join(...path), `${text}\n`);
};

/** A folder below src/ is a node when it has an editor. */
const nodes = readdirSync(source).filter((name) => existsSync(join(source, name, 'editor.html')));

const help = (node, file) =>
  `<script type="text/markdown" data-help-name="${node}">\n${read(source, node, file)}\n</script>`;

/** A label and what it belongs to: the content of the element, or a field for text with its further attributes and list. */
const FORM_ROW = /<form-row field="(\w+)" icon="([\w-]+)"([^>]*)>([\s\S]*?)<\/form-row>/g;

/** A node's editor with its rows written out and, in front of its registration, what editors share. */
function editor(node) {
  const html = read(source, node, 'editor.html');
  const prefix = html.includes("category: 'config'") ? 'node-config-input' : 'node-input';
  const textField = (field, attributes) => {
    const list = /list="([\w-]+)"/.exec(attributes)?.[1];
    const options = list === undefined ? '' : `\n    <datalist id="${list}"></datalist>`;
    return `<input type="text" id="${prefix}-${field}"${attributes}>${options}`;
  };
  /** As wide as the fields for text: Node-RED's own width cuts what most of ours say. */
  const wide = (content) => content.replace('<select ', '<select style="width: 70%" ');
  const row = (_, field, icon, attributes, content) =>
    `<div class="form-row">
    <label for="${prefix}-${field}"><i class="fa fa-${icon}"></i> <span data-i18n="${node}.label.${field}"></span></label>
    ${wide(content.trim()) || textField(field, attributes)}
  </div>`;
  const script = '<script type="text/javascript">';
  return html.replace(FORM_ROW, row).replace(script, () => `${script}\n${read(source, 'lib', 'editor.js')}\n`);
}

const texts = (...path) => JSON.parse(read(source, ...path));

/** A node's texts under its own name, with those that all nodes share. */
function catalogue(node, language) {
  const own = texts(node, 'locales', `${language}.json`);
  const shared = texts('lib', 'locales', `${language}.json`);
  const sections = Object.keys({ ...shared, ...own }).map((key) => [key, { ...shared[key], ...own[key] }]);
  return JSON.stringify({ [node]: Object.fromEntries(sections) }, null, 2);
}

function composeNode(node) {
  write(`${editor(node)}\n\n${help(node, 'help.md')}`, target, `${node}.html`);
  // One file per node type, so that a broken node hides only itself; the code stays in modules shared by all.
  write(`export { default } from '../${node}/index.js';`, target, `${node}.js`);
  cpSync(join(source, node, 'icon.svg'), join(target, 'icons', `${node}.svg`));
  for (const language of LANGUAGES) {
    write(catalogue(node, language), target, 'locales', language, `${node}.json`);
    const translated = join(source, node, `help.${language}.md`);
    if (existsSync(translated)) write(help(node, `help.${language}.md`), target, 'locales', language, `${node}.html`);
  }
}

/** Folder below src/widgets by the node whose page it draws. */
const WIDGETS = { 'ui-apis-community': 'community', 'ui-apis-page': 'pages' };

const buildWidget = ([node, folder]) =>
  build({
    root,
    configFile: false,
    logLevel: 'warn',
    plugins: [vue(), cssInjectedByJs()],
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      outDir: join(root, 'resources'),
      emptyOutDir: false,
      lib: {
        entry: join(source, 'widgets', folder, 'index.ts'),
        name: node,
        formats: ['umd'],
        fileName: () => `${node}.umd.js`,
      },
      // The page brings Vue along.
      rollupOptions: { external: ['vue'], output: { globals: { vue: 'Vue' } } },
    },
  });

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, 'icons'), { recursive: true });
nodes.forEach(composeNode);
// The flows that ship, importable from the editor's menu as a folder of its own.
rmSync(join(root, 'examples', 'flows'), { recursive: true, force: true });
cpSync(join(root, '..', 'flows'), join(root, 'examples', 'flows'), { recursive: true });
rmSync(join(root, 'resources'), { recursive: true, force: true });
for (const widget of Object.entries(WIDGETS)) await buildWidget(widget);
