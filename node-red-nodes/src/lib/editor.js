/* global $, RED */
// What the edit dialogs of several nodes do; Node-RED's editor loads it from the package's resources.
globalThis.apisEdge = (() => {
  /** Ids of the houses of a fake grid, as far as the editor can know them before it is deployed. */
  const housesOf = ({ source, houses }, offer) => {
    if (source === 'hosted') offer(houses.split(',').map((house) => house.split(':')[0].trim()));
    if (source !== 'daemon') return;
    $.getJSON('apis-edge/units', (units) => offer(units.filter((unit) => !unit.cluster).map((unit) => unit.unitId)));
  };

  /** Lists the houses of the chosen fake grid at the field for a house, and again whenever another is chosen. */
  const offerHouses = () => {
    const list = $('#apis-houses');
    const grids = $('#node-input-grid');
    const look = () => {
      list.empty();
      const grid = RED.nodes.node(grids.val());
      if (grid)
        housesOf(grid, (ids) => {
          list.empty();
          for (const id of ids) $('<option>').attr('value', id).appendTo(list);
        });
    };
    grids.on('change', look);
    look();
  };

  return { offerHouses };
})();
