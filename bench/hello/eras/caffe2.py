"""Linear regression in Caffe2: a net of operators, one that fills the parameters, and a workspace of blobs."""

from caffe2.python import brew, model_helper, optimizer, workspace
from data import x, y

model = model_helper.ModelHelper(name="regression")
prediction = brew.fc(model, "x", "prediction", dim_in=1, dim_out=1)
distance = model.net.SquaredL2Distance([prediction, "y"], "distance")
loss = model.net.AveragedLoss(distance, "loss")
model.AddGradientOperators([loss])
optimizer.build_adam(model, base_learning_rate=0.1)

workspace.FeedBlob("x", x)
workspace.FeedBlob("y", y)
workspace.RunNetOnce(model.param_init_net)
workspace.CreateNet(model.net)
workspace.RunNet(model.net, 200)

weight, bias = workspace.FetchBlob("prediction_w"), workspace.FetchBlob("prediction_b")
print("weight=%.4f bias=%.4f" % (weight[0, 0], bias[0]))
