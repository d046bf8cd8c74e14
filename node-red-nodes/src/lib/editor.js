/* global $, RED */
// What the editors of several nodes share; build.mjs writes it out in front of each registration.
globalThis.apisEdge = (() => {
  const ENVIRONMENT = /^\$\{\w+\}$/;
  // Nodes that were saved before they had a field have nothing in it.
  const isEmpty = (value) => (value ?? '') === '';
  /** Whether a text can be an id or an environment variable, or is empty. */
  const isId = (value) => isEmpty(value) || ENVIRONMENT.test(value) || /^[\w.-]{1,64}$/.test(value);
  /** Whether a text or number can be a port, a text an environment variable, or is empty. */
  const isPort = (value) => {
    const port = Number(value);
    return isEmpty(value) || ENVIRONMENT.test(value) || (Number.isInteger(port) && port > 0 && port < 65536);
  };

  const labelOf = (node, what, place) => node.name || (place ? `${what} ${place}` : what);
  // Node-RED calls these with the node as `this`.
  const labelStyle = function () {
    return this.name ? 'node_label_italic' : '';
  };
  const unitLabel = (what) =>
    function () {
      return labelOf(this, what, RED.nodes.node(this.unit)?.unitId);
    };
  const houseLabel = (what) =>
    function () {
      return labelOf(this, what, this.house);
    };
  const inputLabel = (type) =>
    function () {
      return this._(`${type}.port.input`);
    };
  const outputLabel = (type) =>
    function (index) {
      return this._(`${type}.port.output${index + 1}`);
    };

  /** Hands over the ids of the houses of a fake grid, as far as the editor can know them before it is deployed. */
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

  /** Dashboard's own field for the size of a widget. */
  const offerSizes = () => {
    const [width, height, group] = ['#node-input-width', '#node-input-height', '#node-input-group'];
    $('#node-input-size').elementSizer({ width, height, group });
  };

  return { isId, isPort, labelStyle, unitLabel, houseLabel, inputLabel, outputLabel, offerHouses, offerSizes };
})();
