// Tells the page what is in the chat's field and was not sent.

export default ({ setTriggerValue }) => {
  const field = document.querySelector('[data-testid="stChatInputTextArea"]')
  setTriggerValue("text", field ? field.value : "")
}
