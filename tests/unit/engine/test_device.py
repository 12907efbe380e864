"""What a GPU needs, as far as a machine without one can tell: by fake tensors, patched answers and strides."""

import logging
import os
from dataclasses import replace

import pytest
import torch
from networks import small_network
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion.backward import denoising_step
from diffusion.forward import VarianceSchedule
from diffusion.training import Objective
from diffusion.unet import UNet
from engine import device
from engine.device import CPU, Compiler, Hardware, choose_device, recorded
from engine.errors import UserError

CUDA = Hardware(torch.device("cuda"), torch.bfloat16)
SCHEDULE = VarianceSchedule.linear(8, 0.01, 0.3)
MINIBATCH = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([1, 8]), torch.randn(2, 1, 8, 8)


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def card(monkeypatch, tmp_path):
    """An nvidia-smi that knows of a card."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA A100-SXM4-80GB, 535.104.05'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.fixture
def gpu(monkeypatch):
    """Makes torch.cuda say that there are two GPUs of a compute capability, and what the wheel was built for."""

    def make(capability, built):
        answers = {
            "is_available": lambda: True,
            "device_count": lambda: 2,
            "get_device_capability": lambda *_: capability,
            "get_device_name": lambda *_: "Tesla P100",
            "get_arch_list": lambda: built,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        for name in ("benchmark", "allow_tf32"):
            monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))  # to be put back

    return make


def test_a_card_with_too_old_a_driver_is_said_with_both_versions(no_cuda, card, monkeypatch, caplog):
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    assert choose_device("auto") == CPU.device
    (line,) = caplog.messages
    for part in (
        "NVIDIA A100-SXM4-80GB with driver 535.104.05",
        torch.__version__,
        "CUDA 13.2",
        "computing on the CPU",
    ):
        assert part in line
    with pytest.raises(UserError, match=r"compute\.device is 'cuda', but NVIDIA A100.*535\.104\.05.*CUDA 13\.2"):
        choose_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UserError, match="built without CUDA: install a build that has it"):
        choose_device("cuda")


def test_a_machine_without_a_card_and_a_hidden_card_are_no_reason_to_warn(no_cuda, card, monkeypatch, caplog):
    for hidden in ("", "-1", "NoDevFiles"):  # the last is Slurm's, where a job asked for no GPU
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert choose_device("auto") == CPU.device
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert choose_device("auto") == CPU.device
    assert caplog.messages == []


BUILT = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (12, 1), (13, 0)])
def test_a_card_with_kernels_is_taken(gpu, capability, caplog):
    gpu(capability, BUILT)
    assert choose_device("auto") == torch.device("cuda", 0)
    assert torch.backends.cudnn.benchmark and not torch.backends.cudnn.allow_tf32
    assert caplog.messages == []


@pytest.mark.parametrize("capability", [(6, 0), (7, 0), (11, 0)])
def test_a_card_without_kernels_is_said(gpu, capability, caplog):
    gpu(capability, BUILT)
    assert choose_device("auto") == CPU.device
    assert "no kernels for the Tesla P100" in caplog.text and "sm_75" in caplog.text
    with pytest.raises(UserError, match="no kernels for the Tesla P100"):
        choose_device("cuda")


def test_jobs_side_by_side_take_one_gpu_after_the_other(gpu):
    gpu((9, 0), BUILT)
    assert [choose_device("auto", number).index for number in range(5)] == [0, 1, 0, 1, 0]


def test_of_several_gpus_the_one_that_is_chosen_is_asked(gpu, monkeypatch):
    gpu((9, 0), BUILT)
    capabilities = [(9, 0), (7, 0)]

    def capability(which):
        return capabilities[getattr(which, "index", which)]

    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
    assert choose_device("cuda", 2).index == 0
    with pytest.raises(UserError, match="no kernels"):
        choose_device("cuda", 1)
    capabilities[1] = (7, 5)
    precisions = [Hardware.choose("auto", "auto", number).precision for number in (0, 1)]
    assert precisions == [torch.bfloat16, torch.float32]


def test_what_is_sent_to_a_gpu_may_be_a_view_of_any_strides(monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda value: pinned.append(value.is_contiguous()) or value)
    monkeypatch.setattr(torch.Tensor, "to", lambda value, *_, **__: value)
    assert torch.equal(CUDA.send(torch.tensor([3]).expand(4)), torch.full((4,), 3)) and pinned == [True]


def test_a_gpu_denoises_as_many_images_as_its_memory_holds(monkeypatch):
    for free, images in ((80e9, 500), (4e9, 238), (1e9, 100)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (int(free), int(80e9)))
        assert CUDA.at_once(100) == images
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (int(80e9), int(80e9)))
    assert CUDA.at_once(1000) == 1000 and CPU.at_once(100) == 100


def test_only_on_a_cpu_has_a_training_a_longest_time():
    assert CPU.longest(2) == 2 * 24 * 3600 and CUDA.longest(2) == float("inf")


def test_what_ran_is_told_apart_whatever_the_settings_called_it():
    assert Hardware.choose("cpu", "float32").facts() == CPU.facts()
    facts = {str(hardware.facts()) for hardware in (CPU, replace(CPU, precision=torch.bfloat16), CUDA)}
    assert len(facts) == 3


def test_on_a_gpu_the_weights_lie_with_a_pixels_channels_together():
    hardware = replace(CPU, device=torch.device("meta"))
    assert hardware.layout == CPU.layout == torch.contiguous_format and CUDA.layout == torch.channels_last
    network = small_network().to(memory_format=CUDA.layout)
    assert network.block_1.conv_1.weight.is_contiguous(memory_format=torch.channels_last)
    assert not network.block_1.conv_1.weight.is_contiguous()


class Seen(TorchDispatchMode):
    """The operations that were called, and their arguments."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.calls.append((str(function), arguments))
        return function(*arguments, **(keywords or {}))


@pytest.fixture
def fake_cuda():
    """Tensors on a GPU that is not there, forwards."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        yield mode


def test_attention_on_a_gpu_has_the_four_dimensions_of_the_fused_kernels(fake_cuda, monkeypatch):
    ranks = []

    def attention(*tensors):
        ranks.append([tensor.dim() for tensor in tensors])
        return torch.empty_like(tensors[0])

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", attention)
    with torch.device("meta"):
        network = UNet(32, 8)
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    on_gpu = {name: torch.empty(value.shape, device="cuda") for name, value in tensors.items()}
    x, t = torch.empty(2, 1, 8, 8, device="cuda"), torch.empty(2, device="cuda")
    with torch.no_grad():
        assert torch.func.functional_call(network, on_gpu, (x, t)).shape == x.shape
    assert ranks == 6 * [[4, 4, 4]]


def test_a_denoising_step_on_a_gpu_reads_nothing_back(fake_cuda):
    """Or it could not be recorded, and the program would wait for the GPU at every step."""
    on_gpu = object.__new__(VarianceSchedule)
    object.__setattr__(on_gpu, "beta", torch.empty(9, dtype=torch.float64, device="cuda"))
    x, t = torch.empty(2, 1, 8, 8, device="cuda"), torch.empty(1, dtype=torch.long, device="cuda")
    with Seen() as seen:
        assert denoising_step(x, x, x, t, on_gpu).device.type == "cuda"
    assert on_gpu.T == 8
    names = [name for name, _ in seen.calls]
    assert names and not [name for name in names if "_local_scalar_dense" in name or "nonzero" in name]


def test_recording_leaves_the_cpu_alone():
    def step(x):
        return x + 1

    x = torch.zeros(3)
    assert torch.equal(recorded(step)(x), step(x))


class Simple(Compiler):
    """Compiles on a CPU: traces, and evaluates the trace as it stands."""

    def __init__(self, backend="aot_eager"):
        super().__init__(CUDA, Compiler.WORTHWHILE)
        self.backend = backend

    def compile(self, module):
        return torch.compile(module, backend=self.backend, dynamic=False, fullgraph=True)


def gradients(prepare):
    network = small_network()
    objective = prepare(Objective(network, SCHEDULE, 0.5))
    with torch.autocast("cpu", torch.bfloat16):
        weighted, mean = objective(*MINIBATCH)
    weighted.backward()
    return weighted, mean, [p.grad for p in network.parameters()]


def test_loss_and_leap_are_compiled_in_one_graph_with_the_network():
    compiler = Simple()
    torch._dynamo.reset()
    weighted, mean, grads = gradients(compiler)
    assert compiler.worked and compiler.seconds > 0
    plain, plain_mean, plain_grads = gradients(lambda objective: objective)
    torch.testing.assert_close(weighted, plain, rtol=1e-2, atol=0)
    torch.testing.assert_close(mean, plain_mean, rtol=1e-2, atol=0)
    for one, other in zip(grads, plain_grads, strict=True):  # the compilation's own backward pass has added nothing
        assert (one - other).norm() <= 0.05 * other.norm() + 1e-6


def test_a_compilation_that_fails_is_said_and_the_training_runs_as_it_stands(caplog):
    def broken(graph, examples):
        raise RuntimeError("Failed to find C compiler. Please specify via CC environment variable.")

    caplog.set_level(logging.INFO)
    compiler = Simple(broken)
    torch._dynamo.reset()
    weighted, _, _ = gradients(compiler)
    assert torch.equal(weighted, gradients(lambda objective: objective)[0])
    assert not compiler.worked
    (line,) = [message for message in caplog.messages if "uncompiled" in message]
    assert "Failed to find C compiler" in line and "Python.h" in line and "\n" not in line


def test_a_backward_pass_that_does_not_compile_is_found_before_the_first_step(caplog):
    def forwards_only(graph, examples):
        raise RuntimeError("no backward kernel")

    from torch._dynamo.backends.common import aot_autograd

    compiler = Simple(aot_autograd(fw_compiler=lambda graph, _: graph.forward, bw_compiler=forwards_only))
    torch._dynamo.reset()
    gradients(compiler)
    assert not compiler.worked and "uncompiled" in caplog.text


def test_compiled_only_on_a_gpu_and_only_for_a_long_training():
    assert Compiler(CUDA, 234_375).wanted
    assert not Compiler(CUDA, 2_000).wanted and not Compiler(CPU, 234_375).wanted
    network = small_network()
    assert Compiler(CPU, 234_375)(network) is network


def test_compiled_in_one_graph_also_for_several_processes_on_the_jobs_threads(monkeypatch):
    import torch._dynamo.config as tracing
    import torch._inductor.config as compiling

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch, "compile", lambda module, **asked: asked)
    with tracing.patch(optimize_ddp=True), compiling.patch(compile_threads=1):  # to be put back
        asked = Compiler(CUDA, Compiler.WORTHWHILE).compile(small_network())
        assert asked == {"mode": "reduce-overhead", "dynamic": False, "fullgraph": True}
        assert compiling.compile_threads == 3 and not tracing.optimize_ddp


def test_a_step_that_cannot_be_recorded_is_found_before_the_first_step(caplog):
    class Fails(Simple):
        def compile(self, module):
            calls = iter([False, True])  # the first call compiles, the second records

            def run(*arguments):
                if next(calls):
                    raise RuntimeError("operation not permitted when stream is capturing")
                return module(*arguments)

            return run

    compiler = Fails()
    weighted, *_ = gradients(compiler)
    assert torch.equal(weighted, gradients(lambda objective: objective)[0])
    assert not compiler.worked and "stream is capturing" in caplog.text


def test_a_compiled_module_has_the_parameters_of_its_module_once():
    network = small_network()
    compiled = Simple()(Objective(network, SCHEDULE))
    assert [id(p) for p in compiled.parameters()] == [id(p) for p in network.parameters()]


def test_float32_is_no_tf32_also_where_the_classifier_trains(gpu):
    gpu((8, 0), BUILT)
    choose_device("cuda")
    assert not torch.backends.cudnn.allow_tf32


def test_the_devices_name_is_asked_of_nvidia_smi_once_it_answers(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device._card_and_driver() is None
