/** Small line drawings on a 24 × 24 field, drawn with a round pen. */
export const ICONS: Readonly<Record<string, string>> = {
  solar:
    'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.7 1.7M17.3 17.3 19 19M5 19l1.7-1.7M17.3 6.7 19 5',
  load: 'M9 21h6M10 18h4M12 3a6 6 0 0 0-3.5 10.9c.9.7 1.5 1.6 1.5 2.6V17h4v-.5c0-1 .6-1.9 1.5-2.6A6 6 0 0 0 12 3',
  import: 'M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4',
  crown: 'M3 18h18M3.5 6.5 8 11l4-6.5L16 11l4.5-4.5L19 15.5H5z',
  master: 'M12 3l2.6 5.6 6.1.7-4.5 4.2 1.2 6L12 16.5 6.6 19.5l1.2-6L3.3 9.3l6.1-.7z',
  CHARGE: 'M12 4v13M6.5 11.5 12 17l5.5-5.5M5 21h14',
  DISCHARGE: 'M12 17V4M6.5 9.5 12 4l5.5 5.5M5 21h14',
  VOLTAGE_REFERENCE: 'M3 18h18M3.5 6.5 8 11l4-6.5L16 11l4.5-4.5L19 15.5H5z',
  WAIT: 'M9 6v12M15 6v12',
  unknown: 'M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18v.1',
};
