"""`vlam bench`: how fast an image is understood, against what one would write first.

That is the pipeline of Hugging Face, called once for each prompt, or once with all prompts as a
batch. All ways get the same images, prompts, weights, threads and warm-up, and take turns image
by image, so that whatever slows the machine down slows all of them down. Ratios are what counts;
seconds are of one machine.
"""
