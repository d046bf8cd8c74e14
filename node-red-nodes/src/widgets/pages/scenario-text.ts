import type { ScenarioNow, ScenarioRule, ScenarioRules } from '@apis-edge/gateway/domain';
import { price, wattHours } from '../shared/format.ts';

export interface ScenarioText {
  /** Until when it holds, and the level of the battery in it. */
  readonly title: string;
  readonly sentences: readonly string[];
}

type Side = keyof ScenarioRules;
const SIDES: readonly Side[] = ['charge', 'discharge'];
/** Until how much is stored after it. */
const LIMITS: Readonly<Record<Side, string>> = { charge: 'take up to', discharge: 'give down to' };

const ruleText = (side: Side, { limitWh, pointPerWh, pairUnitId }: ScenarioRule): string => {
  const partner = pairUnitId === undefined ? '' : `, with ${pairUnitId} only`;
  return `${LIMITS[side]} ${wattHours(limitWh)} stored, ${price(pointPerWh)}${partner}`;
};

function sentenceOf(who: string, rules: ScenarioRules | undefined): readonly string[] {
  const parts = SIDES.flatMap((side) => {
    const rule = rules?.[side];
    return rule === undefined ? [] : [ruleText(side, rule)];
  });
  return parts.length === 0 ? [] : [`${who} to ${parts.join('; or to ')}.`];
}

/** What a house's scenario wants now, as people read it. */
export function scenarioText(scenario: ScenarioNow | undefined): ScenarioText {
  if (scenario === undefined)
    return { title: 'Nothing now', sentences: ['Its scenario says nothing about this time.'] };
  const sentences = [...sentenceOf('Asks', scenario.request), ...sentenceOf('Agrees', scenario.accept)];
  return {
    title: scenario.status ?? 'No level',
    sentences: [
      ...(sentences.length === 0 ? ['Neither asks for energy nor gives any.'] : sentences),
      `Holds from ${scenario.from} to ${scenario.to}.`,
    ],
  };
}
