import type { Page } from 'playwright-core';

/** A text of the page that is harder to read than WCAG AA allows. */
export interface FaintText {
  readonly text: string;
  readonly ratio: number;
}

/** Texts inside `root` whose contrast with what lies behind them is below AA; greyed houses are meant to recede. */
export const faintTexts = (page: Page, root: string): Promise<FaintText[]> =>
  page.evaluate((selector) => {
    type Colour = readonly [number, number, number, number];
    const parse = (text: string): Colour => {
      const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
      return [r, g, b, a];
    };
    const channel = (value: number): number => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    };
    const luminance = ([r, g, b]: Colour): number => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const probe = document.createElement('i');
    document.querySelector(selector)?.append(probe);
    const variable = (name: string): Colour => {
      probe.style.color = `var(${name})`;
      return parse(getComputedStyle(probe).color);
    };
    const behind = (element: Element | null): Colour => {
      if (element === null) return [255, 255, 255, 1];
      const own = parse(getComputedStyle(element).backgroundColor);
      if (own[3] === 1) return own;
      if (element.classList.contains('apis-house')) return variable('--house'); // its walls are drawn, not styled
      if (element.classList.contains('apis-frame')) return variable('--sky-top');
      return behind(element.parentElement);
    };
    const isGrey = (element: Element): boolean => element.closest('.is-stale, .is-offline') !== null;
    const found: FaintText[] = [];
    for (const element of document.querySelectorAll<HTMLElement>(`${selector} *`)) {
      const own = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
      const text = own.map((node) => node.textContent?.trim()).join('');
      if (text === '' || isGrey(element) || element.closest('svg, dialog:not([open])')) continue;
      const style = getComputedStyle(element);
      const [light, dark] = [luminance(parse(style.color)), luminance(behind(element))].sort((a, b) => b - a);
      const ratio = ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
      const isLarge = Number.parseFloat(style.fontSize) >= 24;
      if (ratio < (isLarge ? 3 : 4.5)) found.push({ text, ratio });
    }
    probe.remove();
    return found;
  }, root);
