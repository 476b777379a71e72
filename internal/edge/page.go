package edge

// page is what people see while a service does not answer. It asks for nothing else, and asks again by itself.
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="15">
<title>Back in a moment</title>
<style>
  :root { color-scheme: light dark; font: 1.0625rem/1.6 system-ui, sans-serif }
  body { min-height: 100vh; margin: 0; display: grid; place-content: center; padding: 1.5rem; box-sizing: border-box;
    color: light-dark(#1c2128, #e6e9ee); background: light-dark(#f7f8fa, #14171c) }
  main { max-width: 32rem }
  h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .75rem }
  p { margin: 0; color: light-dark(#4a535f, #a9b2bf) }
</style>
<main>
  <h1>Back in a moment</h1>
  <p>This service is being updated or cannot be reached right now. This page tries again by itself.</p>
</main>
</html>
`
