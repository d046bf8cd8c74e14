/** The page that the emulator serves at `/`: a table of all houses, refreshed every second; no outside files. */
export const EMULATOR_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>APIS emulator</title>
<style>
  body { font: 14px system-ui, sans-serif; margin: 2em; }
  td, th { padding: 0.3em 0.9em; text-align: right; border-bottom: 1px solid #ddd; }
  td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
</style>
<h1>APIS emulator</h1>
<p id="time" role="status"></p>
<table>
  <thead><tr><th>House<th>Mode<th>RSOC %<th>PV W<th>Load W<th>AC W<th>vg V<th>ig A<th>wb W</thead>
  <tbody id="houses"></tbody>
</table>
<script>
  const refresh = async () => {
    try {
      const units = Object.values(await (await fetch('get/log')).json());
      document.getElementById('time').textContent = units[0]?.time ?? 'no houses';
      document.getElementById('houses').replaceChildren(...units.map(({ oesunit, emu, dcdc }) => {
        const row = document.createElement('tr');
        const cells = [oesunit.id, dcdc.status.statusName, emu.rsoc, emu.pvc_charge_power, emu.ups_output_power,
          dcdc.powermeter.p2, dcdc.meter.vg, dcdc.meter.ig, dcdc.meter.wb];
        for (const cell of cells) row.append(Object.assign(document.createElement('td'), { textContent: cell }));
        return row;
      }));
    } catch (error) {
      document.getElementById('time').textContent = 'The emulator does not answer: ' + error.message;
    }
    setTimeout(refresh, 1000);
  };
  refresh();
</script>
</html>
`;
