"""A minibatch in parts, each computed by a thread of its own: what it must be equal to, and how often."""

import threading
from dataclasses import replace

import pytest
import torch
from networks import small_network

from diffusion.forward import VarianceSchedule
from diffusion.sampling import noise_predictor
from diffusion.training import Objective, Training, TrainingSettings, training_steps
from engine import parallel
from engine.device import CPU, one_ahead

SCHEDULE = VarianceSchedule.linear(8, 0.01, 0.3)
IMAGES = torch.randint(0, 256, (7, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
T = torch.tensor([1, 8, 3, 5, 2, 7, 4])
EPS = torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(2))


def on(threads, precision=torch.float32):
    return replace(CPU, threads=threads, precision=precision)


def losses_and_gradient(hardware):
    network = small_network()
    objective = parallel.shared(Objective(network, SCHEDULE, 0.5), hardware)
    with hardware.mixed_precision():
        weighted, mean = objective(IMAGES, T, EPS)
    assert not mean.requires_grad
    (2 * weighted).backward()
    return weighted.detach(), mean, *[p.grad for p in network.parameters()]


@pytest.mark.parametrize("threads", [2, 3, 7, 64])
def test_loss_and_gradient_are_those_of_the_whole_minibatch(threads):
    whole, parts = losses_and_gradient(on(1)), losses_and_gradient(on(threads))
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_every_thread_computes_in_the_precision_that_is_asked_for():
    exact, rounded = losses_and_gradient(on(3)), losses_and_gradient(on(3, torch.bfloat16))
    torch.testing.assert_close(exact[0], rounded[0], rtol=1e-2, atol=0)
    # In float32 parts and whole agree to 1e-6 or so; bfloat16 has 8 bits.
    assert abs(rounded[0] / exact[0] - 1) > 1e-5


def test_the_same_number_of_threads_repeats_a_training_bit_by_bit():
    def weights():
        network, hardware = small_network(), on(3)
        settings = TrainingSettings(1, 4, 5, 1e-2, (0.9, 0.99), averaging=0.9)
        training = Training(network, settings, lambda loss: parallel.shared(loss, hardware))
        for _ in training_steps(training, IMAGES, SCHEDULE, hardware):
            pass
        return training.weights()

    first, second = weights(), weights()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_parts_cover_the_images_in_order_and_at_the_same_time():
    for threads, images in ((1, 5), (3, 3), (3, 7), (4, 2)):
        parts = list(on(threads).each(lambda part: part, images))
        assert [i for part in parts for i in range(images)[part]] == list(range(images))
        assert len(parts) == min(threads, images)
    meeting = threading.Barrier(3, timeout=30)  # which no part passes before all of them have come
    assert len(list(on(3).each(lambda part: meeting.wait(), 9))) == 3


def test_gradients_are_on_or_off_as_they_are_where_the_parts_are_asked_for():
    for mode in (torch.no_grad, torch.enable_grad):
        with mode():
            assert set(on(2).each(lambda part: torch.is_grad_enabled(), 4)) == {torch.is_grad_enabled()}


def test_an_error_in_a_part_is_raised():
    def fail(part):
        raise ValueError("in a part")

    with pytest.raises(ValueError, match="in a part"):
        list(on(2).each(fail, 4))


@pytest.mark.parametrize("t", [[3], [1, 8, 3, 5, 2]])
def test_the_noise_is_predicted_alike_in_parts_and_as_a_whole(t):
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        whole, parts = (noise_predictor(small_network(), on(n))(x, torch.tensor(t)) for n in (1, 2))
    torch.testing.assert_close(whole, parts, rtol=1e-4, atol=1e-5)


def test_one_result_is_computed_ahead_and_no_more():
    computed = []
    for number, result in enumerate(one_ahead(lambda k: computed.append(k) or k, range(4))):
        assert result == number and len(computed) <= number + 2
    assert computed == [0, 1, 2, 3] and not list(one_ahead(abs, []))


def test_what_is_computed_ahead_overlaps_with_the_use_of_the_one_before():
    second_begun = threading.Event()
    for k in one_ahead(lambda k: second_begun.set() if k == 1 else None, range(2)):
        assert second_begun.wait(30), k


def test_an_error_ahead_is_raised_where_its_result_is_asked_for():
    results = one_ahead(lambda k: 1 / k, [2, 1, 0])
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_processes_exchange_gradients_alone_and_copy_none(monkeypatch):
    asked = {}
    monkeypatch.setattr(parallel, "workers", lambda: 2)

    def wrapped(model, forward_sync_buffers=True, gradient_as_bucket_view=False):
        asked.update(forward_sync_buffers=forward_sync_buffers, gradient_as_bucket_view=gradient_as_bucket_view)
        return model

    monkeypatch.setattr(parallel, "DistributedDataParallel", wrapped)
    network = small_network()
    assert parallel.shared(network, CPU) is network
    assert asked == {"forward_sync_buffers": False, "gradient_as_bucket_view": True}


def test_noise_is_predicted_without_gradients_whatever_the_caller_has():
    """Their own kernels on a GPU ask for it (`diffusion.unet.GroupNorm`)."""
    network, seen = small_network(), []
    predict = noise_predictor(network, on(2))
    network.norm_out.register_forward_hook(lambda *_: seen.append(torch.is_grad_enabled()))
    with torch.enable_grad():
        assert not predict(EPS, T).requires_grad
    assert seen == [False, False]
