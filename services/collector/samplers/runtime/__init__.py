"""Model runtimes: what llama.cpp, vLLM, Ollama and others tell about their models (CONTRACTS §1, class model).

All runtimes on one page. A new one is a file beside this and a line here.
"""

from __future__ import annotations

from services.collector.samplers.runtime.litellm import Litellm
from services.collector.samplers.runtime.llama_cpp_python import LlamaCppPython
from services.collector.samplers.runtime.llama_server import LlamaServer
from services.collector.samplers.runtime.lm_studio import LmStudio
from services.collector.samplers.runtime.ollama import Ollama
from services.collector.samplers.runtime.sglang import Sglang
from services.collector.samplers.runtime.tgi import Tgi
from services.collector.samplers.runtime.vllm import Vllm

RUNTIMES = (
    (LlamaServer, (8080, 9931)),
    (Vllm, (8000,)),
    (Ollama, (11434,)),
    (LmStudio, (1234,)),
    (Sglang, (30000,)),
    (Tgi, (3000, 8080)),
    (LlamaCppPython, (8000,)),
    (Litellm, (4000,)),
)
"""What measures it → its usual ports on loopback."""
