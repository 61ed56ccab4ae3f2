// Further recordings of the instrument, with the note of each. `element`, `props`, `server` and `watch` are Gradio's.

const list = node("ul", { class: "vx-recordings" });
element.querySelector(".vx").replaceChildren(list);

function row(one, index) {
  const found = node("span", { class: "vx-hint" }, one.found);
  const set = async (event) => {
    const answer = await server.set_note({ token: props.value.token, index, note: event.target.value });
    found.textContent = answer.error || answer.found;
  };
  const input = node("input", { type: "text", value: one.note, size: 4, "aria-label": `Note of ${one.name}`, onchange: set });
  return node("li", {}, node("span", {}, one.name), input, found);
}

function update() {
  list.replaceChildren(...(props.value?.rows || []).map(row));
}

watch("value", update);
update();
