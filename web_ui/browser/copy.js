// A button that puts a text on the clipboard, and says so.

const SAID_MS = 2000

async function copy(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text)
    return
  }
  // Over plain http from another machine, browsers have no clipboard but this one.
  const field = document.createElement("textarea")
  field.value = text
  field.style.position = "fixed"
  field.style.opacity = "0"
  document.body.append(field)
  field.select()
  const copied = document.execCommand("copy")
  field.remove()
  if (!copied) throw new Error("not copied")
}

export default ({ data, parentElement }) => {
  const button = parentElement.querySelector("button")
  const words = parentElement.querySelector("[role=status]")
  let timer
  button.onclick = async () => {
    try {
      await copy(data.text)
      words.textContent = "Copied"
    } catch {
      words.textContent = "Your browser did not allow it"
    }
    button.focus()
    clearTimeout(timer)
    timer = setTimeout(() => { words.textContent = "" }, SAID_MS)
  }
  return () => clearTimeout(timer)
}
