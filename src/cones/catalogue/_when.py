"""When to use each loss: a sentence or two, for someone who has to choose."""

from collections.abc import Mapping

WHEN: Mapping[str, str] = {
    "AdaCos": "No time to tune: there is no margin and no scale to set, the scale follows the training. A first run "
    "before `ArcFace` or `CosFace`.",
    "AdaFace": "Images of mixed quality. The norm of a feature stands for the quality of its image: hard rows count "
    "more where the image is good, and less where nothing can be seen in it.",
    "ArcFace": "The usual choice for open sets with many clean classes, compared by angle. If it does not start to "
    "learn, warm the margin up from 0.",
    "ArcNegFace": "Labels that are partly wrong: another class counts by how near its cosine is to the own one, so "
    "that near ones count more and hopeless ones less.",
    "ASoftmax": "Features compared by angle while their norms stay free. It needs its lambda annealed; `SphereFaceR` "
    "is the later form on normalised features.",
    "BatchCOCO": "No class weights wanted: the centroids are those of the batch, which must hold several rows of each "
    "class in it.",
    "CenterLoss": "Beside `Softmax`, when the features of a class should gather: weights of 0.003 to 0.1. Alone it "
    "draws everything into one point.",
    "CircleLoss": "Retrieval and re-identification, where some similarities are far from their goal and others nearly "
    "there: each is pulled in proportion.",
    "CirclePairs": "Retrieval without class weights: rows are compared with each other, in batches that hold several "
    "rows of each class.",
    "COCO": "As `NormFace`, which is the same function, with the scale chosen for the number of classes beforehand.",
    "CombinedMargin": "To tune between the three margins when one alone is not enough; the default is the mixture that "
    "the authors of ArcFace give.",
    "ContrastiveAgents": "Beside `NormFace` with a small weight, 0.01 in the paper: the pull and push of contrastive "
    "loss without mining pairs, for the class weights stand for the classes.",
    "ContrastiveCenter": "As `CenterLoss`, when the centers should also part: what counts is how near a row is to its "
    "own center in proportion to all others.",
    "CosFace": "A first choice for open sets with many classes: the margin is the same at every angle, and there "
    "is nothing to anneal.",
    "CurricularFace": "Long training on large sets: hard classes count little at first, and more as the rows come "
    "right.",
    "DiscFace": "Features that will be compared with each other but are only trained against class directions: all are "
    "held to one common, small displacement from theirs.",
    "ElasticFace": "Classes of different spread, for which one fixed margin is too rigid: it is drawn anew for each "
    "row. Otherwise as `ArcFace` or `CosFace`.",
    "FeatureIncay": "Beside losses on raw features (`Softmax`, `LSoftmax`, `ASoftmax`), when features of images that "
    "are right should be longer. A head on normalised features does not see what it does.",
    "L2Softmax": "Features compared by cosine later, with class weights left free. The scale has to grow with the "
    "number of classes, or no row can be sure.",
    "LDAM": "Long-tailed classes: the rarer, the larger the margin. The authors also weigh rare classes up late in "
    "training (`class_weights` of the head).",
    "LMSoftmax": "When rows that are right should still be pulled: the own class is left out of the sum, so that the "
    "gradient does not fade. Its value may be below 0.",
    "LogitAdjusted": "Long-tailed training where every class counts the same at test time: the shares of the classes "
    "are added in training and left out in `head.logits`.",
    "LSoftmax": "A closed set and a net that overfits under `Softmax`: the first of the margins, m = 2 to 4. It needs "
    "its lambda annealed; cosine losses are easier to train.",
    "MagFace": "When the norm of a feature should tell the quality of its image afterwards: good rows grow long and "
    "get the larger margin.",
    "MHE": "Beside any loss with class weights, when the class directions crowd: it spreads "
    "them over the sphere. It looks at every pair of classes.",
    "MVSoftmax": "When mistakes fall on few classes that look alike: those that come past the margin count more from "
    "the first step. Wrong labels then count more, too.",
    "NormFace": "Features compared by cosine, without a margin: the baseline of the cosine losses, and a mild one for "
    "fine-tuning.",
    "NPCFace": "Large sets of low quality, where a row that is far from its own class is also near to another: the "
    "margin of a row grows with the hard classes it meets.",
    "P2SGrad": "To be free of scale and margin: the gradient of a cosine is its distance from 1 or 0. It needs a "
    "learning rate of its own.",
    "RegularFace": "Beside any loss with class weights, when classes have a neighbour that is too close: each "
    "direction is pushed from its nearest.",
    "RingLoss": "Beside losses on raw features, when their norms should be alike without being normalised: the soft "
    "form of `L2Softmax`.",
    "Softmax": "Start here: nothing to tune, and what every margin has to beat. It is enough where the classes at test "
    "time are those of training.",
    "SphereFace2": "Verification by one threshold, very many classes, or wrong labels: every class is a yes-or-no "
    "question of its own instead of a rival in one sum. Give the head `bias=True`.",
    "SphereFaceR": "A margin that grows with the angle, as that of `ASoftmax`, on normalised features and for any "
    "real m.",
    "TripletAgents": "As `ContrastiveAgents`, but what counts is only that the own class is nearer than the others by "
    "a margin, not how near.",
    "UniFace": "Verification by one threshold: a learnt bias has to part all own cosines from all others. Give the "
    "head `bias=True`.",
    "UNPG": "Features that will be compared with each other, and large batches: pairs of different classes in the "
    "batch join the negatives.",
    "VPL": "Late in training on many classes: the features seen last move the class directions they are compared with, "
    "so that features also meet features.",
    "X2Softmax": "An experiment beside `ArcFace`: the logit is a parabola in the angle, and the margin widens with it.",
}
