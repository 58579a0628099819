// Python's lists of packages lose what is meant, however they are written; what is left is named.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { removePyproject, removeRequirements } from './edit-python.ts';

const packages = /^(?:modal|livekit-agents)$/;

test('a requirement goes with its hashes and notes; its neighbours stay', () => {
  const text =
    'modal\nmodal-extra==1\nLiveKit_Agents[x]>=1 # y\nhttpx==0.27 \\\n    --hash=sha256:aa \\\n' +
    '    --hash=sha256:bb\n    # via\n    #   modal\nmodal==1 ; python_version > "3" \\\r\n' +
    '    --hash=sha256:cc\r\n    # via -r requirements.in\r\n-r other.txt\r\nmodal @ git+https://x/y\r\n' +
    '-e git+https://x/modal-client#egg=modal\n# modal';
  const { text: edited, reasons, left } = removeRequirements(text, packages);
  assert.equal(
    edited,
    'modal-extra==1\nhttpx==0.27 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via\n' +
      '    #   modal\n-r other.txt\r\n-e git+https://x/modal-client#egg=modal\n# modal',
  );
  assert.deepEqual(
    reasons.map(({ line }) => line),
    [1, 3, 9, 13],
  );
  assert.deepEqual(
    left.map(({ line }) => line),
    [6, 8, 9],
  );
  assert.equal(removeRequirements(edited, packages).text, edited);
});

const arrays: readonly (readonly [string, string])[] = [
  ['dependencies = ["modal==1", "x"]', 'dependencies = ["x"]'],
  ['dependencies = ["x", "modal==1"]', 'dependencies = ["x"]'],
  ['dependencies = [ "x", "modal[a,b]>=1,<2", "y" ] # keep', 'dependencies = [ "x", "y" ] # keep'],
  ['dependencies = ["modal"]', 'dependencies = []'],
  ['dependencies = ["x", "modal", \'livekit-agents~=1\']', 'dependencies = ["x"]'],
  [
    'dependencies = [\n  "modal>=1", # [why]\n  "httpx", # modal\n]',
    'dependencies = [\n  "httpx", # modal\n]',
  ],
  ['dependencies = [\n  "httpx",\n  "modal"\n]', 'dependencies = [\n  "httpx",\n]'],
  ['dependencies = [\n  "a", "modal", "b",\n]', 'dependencies = [\n  "a", "b",\n]'],
  ['dependencies = ["modal",\n  "b"]', 'dependencies = [\n  "b"]'],
  ['optional-dependencies.voice = ["modal"]', 'optional-dependencies.voice = []'],
  ['optional-dependencies.modal = ["modal", "numpy"]', 'optional-dependencies.modal = ["numpy"]'],
  ['keywords = ["modal"]', 'keywords = ["modal"]'],
  ['description = "a [ modal"', 'description = "a [ modal"'],
];

test('entries go from arrays on one line and on many', () => {
  for (const end of ['\n', '\r\n'])
    for (const [before, after] of arrays) {
      const text = `[project]\nname = "x"\n${before}\nversion = "1"\n`.replaceAll('\n', end);
      const wanted = `[project]\nname = "x"\n${after}\nversion = "1"\n`.replaceAll('\n', end);
      const edited = removePyproject(text, packages);
      assert.equal(edited.text, wanted, before);
      assert.equal(removePyproject(wanted, packages).text, wanted);
      const isNamed = /\bmodal/.test(after);
      assert.equal(edited.left.length > 0, isNamed, after);
    }
});

test('entries of tables go whole; what cannot be edited by rule is named with its line', () => {
  const text = `[tool.poetry.dependencies]
python = "^3.12"
modal = { version = "^1", extras = [
  "x",
] }
httpx = { version = "1", extras = ["modal"] }
"livekit.agents" = "1"

[tool.poetry.dependencies.modal]
version = "1"

[tool.uv.sources]
modal = { git = "https://x" }

[dependency-groups]
dev = [{ include-group = "modal" }, "modal"]

[tool.poe.tasks]
deploy = "modal deploy agent.py"
text = """
[dependencies]
modal = "1"
"""
`;
  const { text: edited, left } = removePyproject(text, packages);
  assert.equal(
    edited,
    `[tool.poetry.dependencies]
python = "^3.12"
httpx = { version = "1", extras = ["modal"] }

[tool.poetry.dependencies.modal]
version = "1"

[tool.uv.sources]

[dependency-groups]
dev = [{ include-group = "modal" }]

[tool.poe.tasks]
deploy = "modal deploy agent.py"
text = """
[dependencies]
modal = "1"
"""
`,
  );
  assert.deepEqual(
    left.map(({ line }) => line),
    [3, 5, 11, 14, 17],
  );
});
