-- Health of a FederationHealth in Argo CD: the verdict, since that is what people look for there.
-- An incident shows as Degraded, and a wave that waits for this object fails then: give it the last.
-- In argocd-cm: resource.customizations.health.federationhealth.io_FederationHealth
local hs = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return hs
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for the operator to judge the new spec"
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local ready, healthy, holding = conditions.Ready, conditions.Healthy, conditions.Holding
if ready == nil or healthy == nil then
  return hs
end
if ready.status ~= "True" then
  -- Two reasons that no waiting mends.
  if ready.reason == "InvalidSpec" or ready.reason == "DuplicateFederationHealth" then
    hs.status = "Degraded"
  end
  hs.message = ready.reason .. ": " .. (ready.message or "")
  return hs
end

local verdicts = { True = "Healthy", False = "Degraded", Unknown = "Unknown" }
hs.status = verdicts[healthy.status]
hs.message = healthy.message or ""
if holding ~= nil and holding.status == "True" then
  hs.message = "Deletions are held. " .. hs.message
end
return hs
