// Entry of the UMD bundle: Dashboard 2 looks the component up by this name (package.json, node-red-dashboard-2.widgets).
export { default as UiApisPage } from './UiApisPage.vue';
