import { isDeepStrictEqual } from 'node:util';
import { watchFiles } from '../adapters/files/file-watch.ts';
import type { HwConfig } from '../config/hw-config.ts';
import { loadUnit, type UnitSettings } from '../config/load-unit.ts';
import type { Policy } from '../config/policy.ts';
import type { Scenario } from '../config/scenario.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { messageOf } from '../domain/errors.ts';
import { fileReader } from './file-reader.ts';

export interface SettingsListener {
  /** Scenario or hardware limits are others now. */
  changed(): void;
  /** Something in the files is not taken over: what is wrong, or that the policy takes another way (RULE-15). */
  refused(message: string, reason: 'settings.refused' | 'settings.policy-differs'): void;
}

/**
 * The settings of a running unit: scenario and hardware limits follow their files (market.md §1.8, control.md §8.1);
 * what is wrong changes nothing, the last good ones stay. The policy stays as it was at the start, because it has to
 * be the same in the whole cluster (RULE-15).
 */
export class LiveSettings implements UnitSettings {
  readonly unitConfig: UnitConfig;
  readonly policy: Policy;
  readonly #file: string | undefined;
  #hwConfig: HwConfig;
  #scenario: Scenario;

  constructor({ file, unitConfig, policy, hwConfig, scenario }: UnitSettings) {
    this.#file = file;
    this.unitConfig = unitConfig;
    this.policy = policy;
    this.#hwConfig = hwConfig;
    this.#scenario = scenario;
  }

  get hwConfig(): HwConfig {
    return this.#hwConfig;
  }

  get scenario(): Scenario {
    return this.#scenario;
  }

  /** Looks at the files every `refreshingPeriodMsec` of the scenario until the returned function is called; built-in settings have none. */
  follow(listener: SettingsListener): () => void {
    const file = this.#file;
    if (file === undefined) return () => {};
    const { hwConfigFile, policyFile, scenarioFile } = this.unitConfig;
    const files = [hwConfigFile, policyFile, scenarioFile].map((name) => fileReader.beside(file, name));
    return watchFiles(files, this.#scenario.refreshingPeriodMsec, () => this.#reread(file, listener));
  }

  #reread(file: string, { changed, refused }: SettingsListener): void {
    try {
      const { hwConfig, policy, scenario } = loadUnit(file, fileReader).value;
      if (!isDeepStrictEqual(policy, this.policy)) {
        const message = `${this.unitConfig.policyFile} has changed: "apis policy" gives it to the whole cluster; without that each unit takes it over at its next start`;
        refused(message, 'settings.policy-differs');
      }
      if (isDeepStrictEqual([hwConfig, scenario], [this.#hwConfig, this.#scenario])) return;
      this.#hwConfig = hwConfig;
      this.#scenario = scenario;
      changed();
    } catch (error) {
      refused(messageOf(error), 'settings.refused');
    }
  }
}
