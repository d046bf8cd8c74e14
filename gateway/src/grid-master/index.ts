/** The grid master: carries out the deals of the cluster, on the elected unit only. */
export { describe } from './deal-table.ts';
export * from './grid-master.ts';
export * from './needs.ts';
