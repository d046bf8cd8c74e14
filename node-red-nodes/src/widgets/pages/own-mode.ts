import { type LocalMode, labelOfMode, type ModeLabel } from '@apis-edge/gateway/domain';
import { MODE_TEXTS, type Question } from '../shared/texts.ts';

export interface OwnModeChoice {
  /** What goes to the unit: null lets it follow the community (control.md §6). */
  readonly value: LocalMode | null;
  readonly id: string;
  readonly title: string;
  question(house: string): Question;
}

const lowering = (value: LocalMode, text: string): OwnModeChoice => {
  const id = labelOfMode(value);
  const { title } = MODE_TEXTS[id];
  const question = (house: string): Question => ({ title: `${title} for ${house} alone?`, text, yes: title });
  return { value, id, title, question };
};

/** The modes that a house can have of its own; each can only lower what the community's mode permits. */
export const OWN_MODES: readonly OwnModeChoice[] = [
  {
    value: null,
    id: 'follow',
    title: 'Follow the community',
    question: (house) => ({
      title: `Let ${house} follow the community?`,
      text: 'It has no mode of its own any more, and trades again as soon as the community’s mode lets it.',
      yes: 'Follow the community',
    }),
  },
  lowering('heteronomous', 'Its running deals end as planned, and it begins no new one. The other houses go on.'),
  lowering('stop', 'Its deals are stopped now and its converter waits. The other houses go on.'),
];

/** The choice that holds now. */
export const ownModeId = (ownMode: ModeLabel | undefined): string => ownMode ?? 'follow';
