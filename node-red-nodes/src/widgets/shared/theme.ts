import { lightness } from './lightness.ts';

/** True when the group that holds the element has a dark background in the page's theme. */
export const isDarkTheme = (element: Element): boolean =>
  lightness(getComputedStyle(element).getPropertyValue('--v-theme-group-background')) < 0.45;
