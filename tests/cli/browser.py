"""A headless Chromium, driven over a pipe by the DevTools protocol: messages are JSON, a NUL behind each."""
import base64
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


class Browser:
    """One page. errors: what its console complained of; requests: what it asked the network for."""

    def __init__(self, folder, width=1280, height=1600):
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        self.next_id, self.buffer, self.errors, self.requests = 0, b"", [], []

        def wire():  # Chromium reads from 3 and writes to 4
            read, write = os.dup(to_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(write, 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                 "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--force-color-profile=srgb",
                 "--user-data-dir=" + os.path.join(folder, "chromium"), "--remote-debugging-pipe", "--window-size=%d,%d" % (width, height)]
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        self.process = subprocess.Popen([CHROMIUM, *flags], preexec_fn=wire, close_fds=False, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Performance.enable", timeDomain="threadTicks")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.input)
        os.close(self.output)

    def read_message(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.input], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.input, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("the browser is silent" if not ready else "the browser has gone")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            if not params["request"]["url"].startswith("data:"):  # those are in the page
                self.requests.append(params["request"]["url"])

    def call(self, method, **params):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.output, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 120
        while True:
            answer = self.read_message(deadline)
            if answer.get("id") == self.next_id:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.note(answer)

    def run(self, script):
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def open(self, path):
        """Opens a report from disk; the seconds until it can be used."""
        self.errors, self.requests = [], []
        self.mouse("mouseMoved", 1, 1)
        start = time.monotonic()
        self.call("Page.navigate", url="file://" + path)
        while self.run("document.documentElement?.dataset.ready") != "yes":
            if time.monotonic() > start + 60:
                raise TimeoutError("the page does not get ready: %s" % self.errors)
            time.sleep(0.01)
        return time.monotonic() - start

    def busy(self):
        """Seconds that a processor has worked for the pages of this browser, however busy the machine is with other things."""
        return next(m["value"] for m in self.call("Performance.getMetrics")["metrics"] if m["name"] == "TaskDuration")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def hover(self, selector, across=0.5, down=0.5):
        """Moves the mouse to that part of an element."""
        box = self.run("(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })"
                       "(document.querySelector(%s))" % json.dumps(selector))
        x, y = box[0] + across * box[2], box[1] + down * box[3]
        self.mouse("mouseMoved", x, y)
        return x, y

    def click(self, selector, across=0.5, down=0.5):
        x, y = self.hover(selector, across, down)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode={"Tab": 9, "Enter": 13}.get(key, 0))

    def theme(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, selector=None):
        clip = {}
        if selector:
            box = self.run("(r => [r.left + scrollX, r.top + scrollY, r.width, r.height])(document.querySelector(%s).getBoundingClientRect())" % json.dumps(selector))
            clip = {"clip": {"x": box[0], "y": box[1], "width": box[2], "height": box[3], "scale": 1}, "captureBeyondViewport": True}
        kind = os.path.splitext(path)[1][1:]
        quality = {} if kind == "png" else {"quality": 88}
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format=kind, **quality, **clip)["data"]))
